"""Two processes never write to one folder, and a dead one holds nothing."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys

import filelock
import pytest

from dist2_robot.cli.folder_lock import HOLDER, locked, locked_name
from dist2_robot.errors import InputError

HOLD = """
import sys, time
from pathlib import Path
from dist2_robot.cli.folder_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.fault("A5")
def test_the_holder_is_named_until_it_dies(tmp_path):
    run = tmp_path / "run"
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(run)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "held\n"
        for _ in range(2):  # to ask changes nothing
            with pytest.raises(InputError, match=f"process {child.pid} on {socket.gethostname()}.*another output="):
                locked(run).__enter__()
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    with locked(run), pytest.raises(InputError, match=f"process {os.getpid()} on"):
        locked(run).__enter__()


@pytest.mark.fault("A5")
@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x", "host": "y"}'])
def test_a_holder_that_says_nothing_of_itself_holds_all_the_same(tmp_path, content):
    with locked(tmp_path / "run"):
        (tmp_path / "run" / ".lock.json").write_text(content)
        with pytest.raises(InputError, match="in use by another process: wait"):
            locked(tmp_path / "run").__enter__()


def test_what_came_to_nothing_leaves_no_folder(tmp_path):
    with pytest.raises(ValueError, match="no data"), locked(tmp_path / "runs" / "push"):
        raise ValueError("no data")
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "runs" / "push"):
        (tmp_path / "runs" / "push" / "config.json").write_text("{}")
    assert (tmp_path / "runs" / "push" / "config.json").exists()


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="is a file, not a folder: name another output="):
        locked(tmp_path / "run").__enter__()


def test_a_name_is_held_before_there_is_a_folder(tmp_path):
    with locked_name(tmp_path / "data", "dataset.root"):
        assert not (tmp_path / "data").exists()
        with pytest.raises(InputError, match=r"another dataset\.root="):
            locked_name(tmp_path / "data", "dataset.root").__enter__()


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch, caplog):
    def refuse(self):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with locked(tmp_path / "run"):
        pass
    assert "cannot be locked" in caplog.text


@pytest.mark.fault("A5")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dist2-eval", ["checkpoint=none", "output=out"]),
        ("dist2-sweep", ["runs=[none]", "over=n_action_steps", "output=out"]),
        ("dist2-study", ["study=claim_numbers", "output=out"]),
        ("dist2-train", ["dataset.root=none", "output=out"]),
        ("dist2-train", ["policy=frame_predictor", "dataset.root=none", "output=out"]),
    ],
)
def test_whatever_writes_to_a_folder_that_is_held_is_refused(command, tmp_path, name, options):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "manifest.json").write_text("{}")
    with locked(tmp_path / "out"):
        outcome = command(name, *options)
    assert outcome.code == 2
    assert f"'out' is in use by process {os.getpid()}" in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "options"), [("dist2-eval", ["checkpoint=none"]), ("dist2-sweep", ["runs=[none]", "over=n_action_steps"])]
)
@pytest.mark.parametrize("is_file", [False, True])
def test_what_is_no_checkpoint_is_told_before_a_folder_is_made_for_its_results(
    command, tmp_path, name, options, is_file
):
    if is_file:
        (tmp_path / "none").write_text("")
    before = sorted(tmp_path.rglob("*"))
    outcome = command(name, *options)
    assert outcome.code == 2
    assert "'none'" in outcome.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.fault("A5")
@pytest.mark.parametrize(
    ("name", "options"), [("dist2-collect", ["env=point_around"]), ("dist2-import", ["source=none.npz"])]
)
def test_whatever_writes_a_dataset_of_a_name_that_is_held_is_refused(command, tmp_path, name, options):
    with locked_name(tmp_path / "data", "dataset.root"):
        outcome = command(name, *options, "dataset.root=data")
    assert outcome.code == 2
    assert f"'data' is in use by process {os.getpid()}" in outcome.err
    assert list(tmp_path.glob("[!.]*")) == []


@pytest.mark.fault("A5")
def test_a_link_in_the_place_of_the_holder_is_not_followed(tmp_path):
    victim, folder = tmp_path / "victim", tmp_path / "run"
    victim.write_text("theirs")
    folder.mkdir()
    (folder / HOLDER).symlink_to(victim)
    with locked(folder):
        assert json.loads((folder / HOLDER).read_text())["pid"] == os.getpid()
    assert victim.read_text() == "theirs"
