"""The wheel holds all of the checkout's code and configs, and works where the checkout is not."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without what our own test run put into the environment, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin folder of a new environment that has the wheel, and borrows the dependencies from ours."""
    venv = tmp_path_factory.mktemp("clean") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=venv.parent)
    python = venv / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python]
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=venv.parent)
    site_packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=venv).strip()
    # A plain path: the .pth files in it, our editable installation's among them, are not followed.
    (Path(site_packages) / "borrowed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return venv / "bin"


def checkout_files() -> set[str]:
    """Return the name in the wheel of each file that must be in it."""
    homes = {
        "dist2_robot": ROOT / "dist2_robot",
        "gym_dist2": ROOT / "envs/gym_dist2",
        "dist2_robot/conf": ROOT / "conf",
    }
    return {
        f"{home}/{path.relative_to(folder).as_posix()}"
        for home, folder in homes.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheel_holds_code_configs_and_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert checkout_files() <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"dist2_robot", "gym_dist2"}


def test_wheel_holds_every_command(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    modules = {target.split(":")[0].replace(".", "/") + ".py" for target in project["scripts"].values()}
    assert modules <= names


def test_packages_are_imported_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = "import dist2_robot, gym_dist2; print(dist2_robot.__file__); print(gym_dist2.__file__)"
    paths = run(installed / "python", "-c", code, cwd=tmp_path).split()
    assert len(paths) == 2
    assert all(path.startswith(str(installed.parent)) and "site-packages" in path for path in paths)


def test_command_helps_and_leaves_nothing_behind(installed: Path, tmp_path: Path) -> None:
    shown = run(installed / "dist2-train", "--help", cwd=tmp_path)
    assert "dataset.root" in shown
    assert list(tmp_path.iterdir()) == []
