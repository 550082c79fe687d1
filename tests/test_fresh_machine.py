"""What pyproject.toml promises: each Python, with the locked versions; the oldest and the newest dependencies."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CLASSIFIERS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["classifiers"]
PYTHONS = [line.rsplit(" ", 1)[1] for line in CLASSIFIERS if line.startswith("Programming Language :: Python :: 3.")]
UV = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
PURE_PYTHON = ["antlr4-python3-runtime", "tfrecord"]  # no wheels, but nothing to compile either


def interpreter(version: str) -> str | None:
    """Return an interpreter of a version, if this machine has one: a command may be there and not work."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in (f"python{version}", *sorted(map(str, pyenv.glob(f"{version}*/bin/python")))):
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        try:
            told = subprocess.run([candidate, "-c", code], capture_output=True, text=True, check=False)
        except OSError:
            continue
        if told.stdout.strip() == version:
            return candidate
    return None


@pytest.mark.skipif(not Path(UV).exists(), reason="needs uv")
@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_locked_is_installed_without_a_compiler(python: str, tmp_path: Path) -> None:
    command = [UV, "pip", "install", "--dry-run", "--no-deps", "-r", ROOT / "requirements.lock", "--target", tmp_path]
    command += ["--only-binary", ":all:", *(f"--no-binary={package}" for package in PURE_PYTHON)]
    command += ["--python", sys.executable, "--python-version", python]
    no_retries = os.environ | {"UV_HTTP_RETRIES": "0"}
    result = subprocess.run(command, env=no_retries, capture_output=True, text=True, check=False)
    if "Failed to fetch" in result.stderr or "network was disabled" in result.stderr:
        pytest.skip("needs the package index")
    assert result.returncode == 0, result.stderr


@pytest.mark.slow  # half an hour each
@pytest.mark.parametrize(
    ("versions", "python"), [("locked", python) for python in PYTHONS] + [("lowest", None), ("highest", None)]
)
def test_the_tests_pass_on_a_fresh_machine(versions: str, python: str | None) -> None:
    chosen = interpreter(python) if python else sys.executable
    if chosen is None:
        pytest.skip(f"there is no Python {python} here")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
    subprocess.run([ROOT / "scripts/try_versions.sh", versions], env=environment | {"PYTHON": chosen}, check=True)
