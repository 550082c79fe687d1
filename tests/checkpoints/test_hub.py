"""Checkpoints of the hub are pinned to a commit, and lie as real files in a folder of ours."""

import shutil
from pathlib import Path

import pytest

from dist2_robot.checkpoints import hub
from dist2_robot.checkpoints.hub import fetch_checkpoint
from dist2_robot.checkpoints.store import load_policy
from dist2_robot.errors import InputError
from tests.checkpoints.saved import save

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = f"hub:org/name@{COMMIT}"


def test_a_local_folder_is_itself(tmp_path):
    assert fetch_checkpoint(tmp_path) == tmp_path
    assert fetch_checkpoint("no/where/at/all") == Path("no/where/at/all")  # what reads it says that it is not there


@pytest.mark.fault("S9")
@pytest.mark.parametrize(
    "name",
    [
        "org/name",
        "org/name@main",
        "hub:org/name",
        "hub:org/name@main",
        f"hub:org/name@{COMMIT[:12]}",
        f"hub:org/name@{COMMIT.upper()}",
        f"hub:../name@{COMMIT}",
        f"hub:org/name/more@{COMMIT}",
        f"hub:org/name@{COMMIT}\n",
        "hub:",
    ],
)
def test_without_a_full_commit_nothing_is_fetched(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: pytest.fail("the hub was asked"))
    with pytest.raises(InputError, match=r"^[^\n]*(\n')?[^\n]*commit[^\n]*$"):
        fetch_checkpoint(name, tmp_path)


@pytest.mark.fault("S9")
def test_a_commit_is_fetched_once_as_real_files(tmp_path, monkeypatch):
    source, calls = save(tmp_path / "run", 1), []

    def snapshot_download(repository, *, revision, local_dir, allow_patterns):
        calls.append((repository, revision))
        assert "*.safetensors" in allow_patterns
        assert "*" not in allow_patterns
        local_dir.mkdir(parents=True)
        shutil.copy(source / "manifest.json", local_dir)
        for path in source.glob("*.safetensors"):
            (local_dir / path.name).symlink_to(path)  # as the hub's cache does

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    folder = fetch_checkpoint(NAME, tmp_path / "cache")
    assert calls == [("org/name", COMMIT)]
    assert not any(path.is_symlink() for path in folder.iterdir())
    load_policy(folder)
    assert fetch_checkpoint(NAME, tmp_path / "cache") == folder
    assert len(calls) == 1


@pytest.mark.fault("S9")
def test_offline_it_says_so(tmp_path):
    with pytest.raises(InputError, match=r"^'org/name' at [0-9a-f]+ cannot be had from the hub [^\n]+$"):
        fetch_checkpoint(NAME, tmp_path)


def test_what_is_no_checkpoint_of_ours_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, local_dir, **__: local_dir.mkdir())
    with pytest.raises(InputError, match=r"has no manifest\.json"):
        fetch_checkpoint(NAME, tmp_path)
