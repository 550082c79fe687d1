"""LeRobot's own commands on our plug-ins, in a clean environment that finds them by the name of a distribution."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch

from dist2_robot.checkpoints.store import load_policy
from dist2_robot.data.episode import Episode
from dist2_robot.data.folder import open_folder
from dist2_robot.data.table import read_table
from dist2_robot.data.writer import write_dataset
from dist2_robot.rollouts.environment import EnvironmentSpec, action_spec, make_environment, to_features
from dist2_robot.types import Observation

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SMALL = {"width": 16, "attention_heads": 2, "depth": 1}
QUIET = ["--num_workers=0", "--wandb.enable=false", "--log_freq=1", "--policy.device=cpu", "--policy.push_to_hub=false"]


class Commands:
    """Runs modules with the Python of a clean environment, beside the packages of this one, without network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False)
        self.python = folder / "venv/bin/python"
        (packages,) = (folder / "venv/lib").glob("python*/site-packages")
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder / "wheels"]
        subprocess.run([*build, ROOT / "packaging/lerobot_policy_dist2"], check=True, capture_output=True, timeout=600)
        (wheel,) = (folder / "wheels").glob("*.whl")
        ZipFile(wheel).extractall(packages)
        beside = [ROOT, ROOT / "envs", ROOT / "tests/lerobot", sysconfig.get_path("purelib")]
        (packages / "beside.pth").write_text("\n".join(map(str, beside)))

    def __call__(self, module: str, *arguments: str) -> str:
        environment = os.environ | {
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(self.folder / "hf"),
            "FAKE_ARM_LOG": str(self.folder / "sent.json"),
        }
        environment.pop("PYTHONPATH", None)
        result = subprocess.run(
            [self.python, "-m", module, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
        return result.stdout + result.stderr


@pytest.fixture(scope="module")
def commands(tmp_path_factory) -> Commands:
    """A clean environment, and two short episodes of the expert in its folder ``data``."""
    folder = tmp_path_factory.mktemp("clean")
    environment = EnvironmentSpec("gym_dist2/Reach-v0")
    env, episodes = make_environment(environment), []
    for seed in range(2):
        seen, _ = env.reset(seed=seed)
        frames = []
        for _ in range(12):
            action = env.unwrapped.expert_action()
            frames.append({**to_features(seen), "action": action})
            seen, *_ = env.step(action)
        columns = {name: torch.tensor([frame[name].tolist() for frame in frames]).numpy() for name in frames[0]}
        episodes.append(Episode(columns, "Reach the green ball.", seed=seed))
    recording = {"environment": {"id": environment.id, "kwargs": {}}, "task": "Reach the green ball.", "seed": 0}
    names = env.metadata["observation_names"]
    write_dataset(
        folder / "data", episodes, action_spec(env), observation_names=names, robot_type="so101", recording=recording
    )
    return Commands(folder)


def chunks_of(checkpoint: Path, data: Path) -> torch.Tensor:
    policy, _ = load_policy(checkpoint)
    columns = read_table(open_folder(data)).features
    return policy.act(Observation({name: columns[name][:3] for name in policy.observation.numbers})).actions


@pytest.fixture(scope="module")
def theirs(commands) -> Path:
    """The run folder of lerobot-train."""
    choices = [f"--policy.{name}={value}" for name, value in SMALL.items()]
    commands(
        "lerobot.scripts.lerobot_train",
        *("--policy.type=dist2", "--dataset.repo_id=local/data", "--dataset.root=data", "--output_dir=theirs"),
        *("--steps=2", "--batch_size=4", *QUIET, *choices),
    )
    return commands.folder / "theirs"


@pytest.fixture(scope="module")
def ours(commands) -> Path:
    """The run folder of dist2-train."""
    sizes = [f"size.{name}={value}" for name, value in SMALL.items()]
    options = ["dataset.root=data", "output=ours", "trainer.steps=2", "threads=1", "device=cpu", *sizes]
    commands("dist2_robot.cli.train", *options)
    return commands.folder / "ours"


def test_what_lerobot_trained_our_commands_run(commands, theirs):
    out = commands(
        "dist2_robot.cli.eval", "checkpoint=theirs", "episodes=1", "workers=1", "videos=0", "output=evaluated"
    )
    assert "success" in out
    assert json.loads((commands.folder / "evaluated/results.json").read_text())["episodes"] == 1


def test_it_goes_on_where_it_was(commands, theirs):
    config = "theirs/checkpoints/last/pretrained_model/train_config.json"
    commands("lerobot.scripts.lerobot_train", "--resume=true", f"--config_path={config}", "--steps=3")
    assert load_policy(theirs)[1].step == 3


def test_lerobot_fine_tunes_what_we_trained(commands, ours):
    start = ours / "checkpoints/step_0000002"
    commands(
        "lerobot.scripts.lerobot_train",
        *(f"--policy.path={start}", "--dataset.repo_id=local/data", "--dataset.root=data", "--output_dir=tuned"),
        *("--steps=1", "--batch_size=4", *QUIET, "--policy.optimizer_lr=0.0"),
    )
    data = commands.folder / "data"
    assert torch.equal(chunks_of(commands.folder / "tuned", data), chunks_of(start, data))  # there and back, unmoved
    assert load_policy(commands.folder / "tuned")[1].step == 3


def test_lerobot_evaluates_what_we_trained(commands, ours):
    commands(
        "lerobot.scripts.lerobot_eval",
        *(f"--policy.path={ours}/checkpoints/step_0000002", "--policy.device=cpu"),
        *("--env.type=gym_dist2", "--env.task=Reach", "--eval.n_episodes=1", "--eval.batch_size=1"),
        *("--output_dir=their_eval", "--seed=3"),
    )
    info = json.loads((commands.folder / "their_eval/eval_info.json").read_text())
    assert info["overall"]["n_episodes"] == 1


def test_lerobot_rolls_out_what_we_trained(commands, ours):
    commands(
        "lerobot.scripts.lerobot_rollout",
        *(f"--policy.path={ours}/checkpoints/step_0000002", "--policy.device=cpu", "--robot.type=fake_arm"),
        *("--discover_packages_path=fake_arm", "--duration=1", "--fps=20", "--play_sounds=false"),
        "--return_to_initial_position=false",
    )
    sent = json.loads((commands.folder / "sent.json").read_text())
    state, world = torch.full((1, 6), 10.0), torch.full((1, 6), 0.1)
    policy, _ = load_policy(ours / "checkpoints/step_0000002")
    first = policy.act(Observation({"observation.state": state, "observation.environment_state": world})).actions[0, 0]
    assert torch.allclose(torch.tensor(sent[0]), first, atol=1e-5)
