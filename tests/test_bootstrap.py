"""scripts/bootstrap.sh finds a Python that works and makes .venv, tried on stand-ins for Python, pip and uv."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "bootstrap.sh"
TOOLS = ["bash", "cat", "cp", "dirname", "ln", "mkdir", "rm"]

BROKEN_SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2; exit 127\n"

# Passes for a Python 3.12: makes a .venv with copies of itself, and logs what it was asked to install.
# It lacks uv if $NO_UV is set, and fails to install the lock if $OFFLINE is set.
PYTHON = """#!/usr/bin/env bash
case "$*" in
  -c*) echo "$0" ;;
  --version) echo "Python 3.12.0" ;;
  "-m venv"*)
    echo "venv" >>"$LOG"; rm -rf .venv; mkdir -p .venv/bin; cp "$0" .venv/bin/python; echo home >.venv/pyvenv.cfg ;;
  "-m pip --version") ;;
  *uv==*) [[ -z ${NO_UV:-} ]] || exit 1; cp "$0" .venv/bin/uv ;;
  "-m compileall"*) echo "compiled" >>"$LOG" ;;
  "cache dir") echo "$HOME/cache" ;;
  "-m pip install"* | "pip install"*) [[ -z ${OFFLINE:-} ]] || exit 1; echo "${0##*/} $*" >>"$LOG" ;;
  *) echo "unforeseen: $*" >&2; exit 99 ;;
esac
"""


class Checkout:
    """A checkout, a home folder and a $PATH that hold nothing but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.root, self.home, self.path, self.log = (folder / n for n in ("check out", "home", "path", "log"))
        for directory in (self.root / "scripts", self.home, self.path):
            directory.mkdir(parents=True)
        for tool in TOOLS:
            (self.path / tool).symlink_to(str(shutil.which(tool)))
        shutil.copy(SCRIPT, self.root / "scripts")
        for name in ("requirements.lock", "pyproject.toml"):
            (self.root / name).touch()
            os.utime(self.root / name, (0, 0))

    def add(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        base = {"PATH": str(self.path), "HOME": str(self.home), "LOG": str(self.log)}
        script = [str(self.path / "bash"), str(self.root / "scripts" / "bootstrap.sh")]
        return subprocess.run(script, env=base | environment, cwd="/", capture_output=True, text=True, timeout=60)

    def logged(self) -> list[str]:
        """Return what was done since the last call."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


EVERYTHING = [
    "venv",
    "uv pip install --python .venv/bin/python -r requirements.lock",
    "uv pip install --python .venv/bin/python --no-deps -e .",
]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    checkout = Checkout(tmp_path)
    checkout.add(checkout.path / "python3.12", PYTHON)
    return checkout


def test_without_a_python_it_says_what_to_install(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.add(checkout.path / "python3.12", BROKEN_SHIM)
    result = checkout.run(PYTHON="/no/such/python")
    assert result.returncode == 1
    assert "no Python 3.12 or 3.13" in result.stderr
    assert "python3.12-venv" in result.stderr
    assert not (checkout.root / ".venv").exists()


@pytest.mark.parametrize("place", ["path/python3", "path/python3.13", "home/.pyenv/versions/3.13.0/bin/python"])
def test_a_shim_that_fails_is_passed_over(tmp_path: Path, place: str) -> None:
    checkout = Checkout(tmp_path)
    checkout.add(checkout.path / "python3.12", BROKEN_SHIM)
    checkout.add(tmp_path / place, PYTHON)
    result = checkout.run()
    assert result.returncode == 0, result.stderr
    assert str(tmp_path / place) in result.stdout


def test_a_python_that_uv_knows_is_found(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    checkout.add(tmp_path / "managed" / "python", PYTHON)
    checkout.add(checkout.path / "uv", f"#!/bin/sh\necho '{tmp_path}/managed/python'\n")
    assert checkout.run().returncode == 0
    assert checkout.logged() == EVERYTHING


def test_the_named_python_comes_first(checkout: Checkout) -> None:
    checkout.add(checkout.home / "my python", PYTHON)
    assert str(checkout.home / "my python") in checkout.run(PYTHON=str(checkout.home / "my python")).stdout


def test_what_python_may_not_compile_by_itself_is_compiled_once(checkout: Checkout) -> None:
    assert checkout.run(PYTHONDONTWRITEBYTECODE="1").returncode == 0
    assert checkout.logged()[-1] == "compiled"
    assert checkout.run(PYTHONDONTWRITEBYTECODE="1").returncode == 0
    assert checkout.logged() == []


def test_a_second_run_does_nothing(checkout: Checkout) -> None:
    assert checkout.run().returncode == 0
    assert checkout.logged() == EVERYTHING
    assert checkout.run().stdout == ""
    assert checkout.logged() == []


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_newer_file_is_installed_into_the_same_venv(checkout: Checkout, name: str) -> None:
    checkout.run()
    checkout.logged()
    later = (checkout.root / ".venv/.installed").stat().st_mtime + 10
    os.utime(checkout.root / name, (later, later))
    assert checkout.run().returncode == 0
    assert checkout.logged() == EVERYTHING[1:]


def test_an_interrupted_run_is_begun_anew(checkout: Checkout) -> None:
    assert checkout.run(OFFLINE="1").returncode != 0
    checkout.logged()
    assert checkout.run().returncode == 0
    assert checkout.logged() == EVERYTHING


def test_half_a_venv_is_made_anew(checkout: Checkout) -> None:
    (checkout.root / ".venv/bin").mkdir(parents=True)
    assert checkout.run().returncode == 0
    assert checkout.logged() == EVERYTHING


def test_a_moved_checkout_is_made_anew(checkout: Checkout) -> None:
    checkout.run()
    checkout.logged()
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))
    assert checkout.run().returncode == 0
    assert checkout.logged() == EVERYTHING


def test_a_venv_made_by_hand_is_kept(checkout: Checkout) -> None:
    checkout.run()
    checkout.logged()
    (checkout.root / ".venv/.installed").unlink()
    assert checkout.run().returncode == 0
    assert checkout.logged() == EVERYTHING[1:]


def test_pip_takes_over_where_uv_cannot_be_installed(checkout: Checkout) -> None:
    result = checkout.run(NO_UV="1")
    assert result.returncode == 0
    assert "uv cannot be installed" in result.stdout
    assert checkout.logged() == [
        "venv",
        "python -m pip install -r requirements.lock",
        "python -m pip install --no-deps -e .",
    ]
