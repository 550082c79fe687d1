"""Every YAML file composes, builds what it says, and trains a step."""

from importlib.util import find_spec
from itertools import product
from pathlib import Path

import hydra
import numpy as np
import pytest
import torch
import yaml
from gym_dist2.adapted import PACKAGES, how_to_install
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from dist2_robot.checkpoints.compatibility import KINDS, NEEDS
from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.cli.dataset import load_training_data
from dist2_robot.cli.defaults import defaults
from dist2_robot.cli.environments import choose_environment
from dist2_robot.cli.kinds import check_kinds
from dist2_robot.cli.new_policy import new_policy
from dist2_robot.cli.trackers import new_tracker
from dist2_robot.config_dir import config_dir
from dist2_robot.data.batches import BatchStream
from dist2_robot.errors import InputError
from dist2_robot.rollouts.environment import EnvironmentSpec, make_environment
from dist2_robot.training.config import TrainerConfig
from dist2_robot.training.trainer import Trainer
from tests.data.recordings import rated, reach, write_filmed  # noqa: F401
from tests.models.tiny_bert import bert  # noqa: F401
from tests.models.tiny_language_models import llama  # noqa: F401

COMMANDS = {
    "train": [],
    "collect": ["dataset.root=new"],
    "eval": ["checkpoint=run"],
    "compare": ["runs=[run]"],
    "report": ["runs=[run]"],
    "deploy": ["checkpoint=run"],
    "study": [],
    "tokenizer": ["dataset.root=data"],
    "sweep": ["runs=[a]", "over=n_action_steps"],
    "validate": ["dataset.root=data"],
    "import": ["source=theirs", "dataset.root=data"],
    "export": ["checkpoint=run", "output=folder"],
    "serve": ["checkpoint=run"],
    "card": ["of=run"],
    "rate": ["checkpoint=run", "dataset.root=data"],
}
MUST_BE_GIVEN = {  # with these choices
    ("instruction", "text_model"): ["instruction.path=bert"],
    ("policy", "language_model"): ["policy.model=llama"],
    ("robot", "lerobot"): ["robot.type=koch_follower"],
    ("robot", "so101_follower"): ["robot.options.port=/dev/ttyACM0"],
}
KIND_OF = {"residual_vq": "codes", "fsq": "codes", "fast": "symbols"}  # all others make numbers
TWO_TASKS = {"push": "Push the block.", "pull": "Pull the block."}
PARTS = {"dist2_energy": ["dist2", "energy"], "dist2_paper": ["dist2"]}  # what a loss config is made of
REFUSED_ON_NUMBERS = {"cosine"}
WITHOUT_BINS = {("residual_vq", "dist2_paper")}  # a codebook has no neighbours to count
GROUPS = {
    folder.name: sorted(path.stem for path in folder.glob("*.yaml"))
    for folder in config_dir().iterdir()
    if folder.is_dir()
}

# Every option with every option of the groups that it meets.
TOKEN_LOSSES = [name for name in GROUPS["loss"] if name not in ("l1", "mse", "own")]
WITH_DISTANCE = ["dist2", "sord", "reinforce"]
PAIRS = [
    *product(("tokenizer",), GROUPS["tokenizer"], ("head",), GROUPS["head"]),
    *product(("tokenizer",), GROUPS["tokenizer"], ("loss",), TOKEN_LOSSES),
    *product(("head",), GROUPS["head"], ("loss",), TOKEN_LOSSES),
    *product(("distance",), GROUPS["distance"], ("loss",), WITH_DISTANCE),
    *product(("temperature",), GROUPS["temperature"], ("loss",), ["dist2", "sord"]),
]


def compose(name, *overrides):
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
        config = hydra.compose(name, [*COMMANDS[name], *overrides])

    return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


def test_this_file_knows_all_commands_and_groups():
    assert {path.stem for path in config_dir().glob("*.yaml")} == set(COMMANDS)
    assert set(GROUPS) == {
        "tokenizer",
        "head",
        "loss",
        "distance",
        "temperature",
        "env",
        "policy",
        "trainer",
        "tracker",
        "experiment",
        "study",
        "size",
        "vision",
        "instruction",
        "robot",
        "hydra",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_composes_with_every_choice(name):
    entries = yaml.safe_load((config_dir() / f"{name}.yaml").read_text())["defaults"]
    groups = [next(iter(entry)) for entry in entries if isinstance(entry, dict)]
    for group in set(groups) - {"hydra"}:
        for option in GROUPS[group]:
            overrides = [f"{group}={option}", *(["task=push-v3"] if "env" in groups else [])]
            overrides += MUST_BE_GIVEN.get((group, option), [])
            config = compose(name, *overrides)
            assert set(groups) - {"hydra", "experiment"} <= set(config)
            check_kinds(config, defaults(name, overrides), name)


@pytest.mark.parametrize(("group", "name", "other", "choice"), PAIRS)
def test_every_pair_of_options_trains_a_step_or_says_why_not(reach, tmp_path, group, name, other, choice):  # noqa: F811
    standard = {"head": "free", "loss": "cross_entropy"} if group == "tokenizer" else {}
    options = [f"{k}={v}" for k, v in ({"decoding": "argmax"} | standard | {group: name, other: choice}).items()]
    if name == "matrix":
        np.save(tmp_path / "table.npy", np.abs(np.subtract.outer(np.arange(128.0), np.arange(128.0))))
        options.append(f"distance.path={tmp_path / 'table.npy'}")
    config = compose("train", f"dataset.root={reach}", *options)
    if is_refused(group, name, other, choice):
        with pytest.raises(InputError, match=r"^[^\n]+$"):
            train_a_step(config)
    else:
        assert train_a_step(config) > 0


def is_refused(group, name, other, choice):
    if group == "distance":  # these are for codes of several coordinates, or are counted in steps of a lattice
        return name in REFUSED_ON_NUMBERS
    if group != "tokenizer":
        return False
    if (name, choice) in WITHOUT_BINS:
        return True
    needed = [NEEDS[other].get(one, "symbols") for one in PARTS.get(choice, [choice])]
    return max(map(KINDS.index, needed)) > KINDS.index(KIND_OF.get(name, "numbers"))


# A frame predictor is no policy and trains on pictures: tests/cli/test_train_frames.py.
@pytest.mark.parametrize(
    ("policy", "trainer"), product([p for p in GROUPS["policy"] if p != "frame_predictor"], GROUPS["trainer"])
)
def test_every_policy_and_trainer_trains_a_step(reach, rated, llama, policy, trainer):  # noqa: F811
    loss = {"token": "dist2", "reward_model": "dist2", "language_model": "dist2", "regression": "l1"}.get(
        policy
    )  # the others choose their own
    options = [f"policy={policy}", f"trainer={trainer}", *([f"loss={loss}"] if loss else [])]
    options += [f"policy.model={llama}"] if policy == "language_model" else []
    data = rated if policy == "reward_model" else reach
    config = compose("train", f"dataset.root={data}", *options)
    if policy == "vqbet":
        with pytest.raises(InputError, match="exactly one picture"):
            train_a_step(config)
    else:
        assert train_a_step(config) > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [(["policy=act", "loss=l1"], "leave out loss="), (["policy=regression", "loss=own"], "no loss of its own")],
)
def test_a_loss_that_is_not_the_policys_is_refused(reach, options, words):  # noqa: F811
    with pytest.raises(InputError, match=words):
        train_a_step(compose("train", f"dataset.root={reach}", *options))


def test_the_perceptron_trains_on_l1_unless_another_is_typed():
    assert compose("train", "policy=mlp_l1")["loss"]["name"] == "l1"
    assert compose("train", "policy=mlp_l1", "loss=mse")["loss"]["name"] == "mse"


@pytest.mark.parametrize("experiment", GROUPS["experiment"])
def test_every_experiment_trains_a_step(reach, experiment):  # noqa: F811
    options = [f"experiment={experiment}", f"dataset.root={reach}"]
    config = compose("train", *options)
    assert config != compose("train", *options[1:])
    config["dataset"]["episodes"] = config["dataset"]["episodes"] and 5
    assert train_a_step(config) > 0


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """Two tasks with a camera."""
    folder = tmp_path_factory.mktemp("filmed")
    return [write_filmed(folder / name, task, seed) for seed, (name, task) in enumerate(TWO_TASKS.items())]


@pytest.mark.parametrize(
    ("group", "option"),
    [(group, option) for group in ("size", "vision", "instruction") for option in GROUPS[group]],
)
def test_every_eye_and_ear_trains_a_step(filmed, bert, group, option):  # noqa: F811
    """On two tasks, so that there is something to tell."""
    options = [f"dataset.root=[{','.join(map(str, filmed))}]", "dataset.image_size=32", f"{group}={option}"]
    if option == "timm":
        pytest.importorskip("timm")
        options += ["vision.model=resnet10t"]
    options += [f"instruction.path={bert}"] if option == "text_model" else []
    config = compose("train", *options, "policy.history=2")
    assert train_a_step(config) > 0
    data = load_training_data(config["dataset"], 4, 0, history=2)
    built = new_policy(config, data).config()
    assert built["width"] == config["size"]["width"]
    assert built["vision"]["name"] == config["vision"]["name"]
    told = None if option == "none" else config["instruction"]["name"]
    assert (built["instruction"] and built["instruction"]["name"]) == told


def test_what_is_typed_counts_more_than_an_experiment():
    config = compose("train", "experiment=paper", "head=smooth", "decoding=median")
    assert (config["loss"]["alpha"], config["head"]["name"], config["decoding"]) == (0.1, "smooth", "median")


def train_a_step(config) -> float:
    """Build all that a training needs, take one step, and return how far a weight moved."""
    torch.manual_seed(0)
    sizes = config["policy"]
    options = {"history": sizes["history"], "target": sizes.get("target", "action")}
    data = load_training_data(config["dataset"], sizes["horizon"], config["seed"], **options)
    policy = new_policy(config, data)
    loss = build_loss(getattr(policy, "tokenizer", None), config["loss"])
    settings = TrainerConfig(**config["trainer"])
    trainer = Trainer(policy, loss, settings, tracker=None, validate=None, evaluate=None, save=lambda *_: None)
    first = next(parameter for parameter in policy.parameters() if parameter.requires_grad)
    moved = getattr(policy.trunk.encoder, "place", first)  # of LeRobot's policies, which have none, any
    before = moved.detach().clone()
    parts = trainer.train_step(next(BatchStream(data.training, 8, seed=0).from_step(0)))
    assert torch.isfinite(torch.as_tensor(parts["loss"]))
    assert trainer.skipped == 0
    return float((moved - before).detach().abs().max())


@pytest.mark.parametrize("option", GROUPS["env"])
def test_every_environment_is_chosen_and_built(option):
    recorded = {"id": "some/Env-v0", "kwargs": {"size": 3}}
    chosen = {"so101": "task=Reach", "aloha": "task=TransferCube", "gymnasium": "env.id=Pendulum-v1"}
    spec = choose_environment(compose("train", f"env={option}", chosen.get(option, "task=reach-v3"))["env"], recorded)
    if option == "none":
        assert spec is None
    elif option == "recorded":
        assert spec == EnvironmentSpec("some/Env-v0", {"size": 3})
    else:
        if option == "metaworld":
            pytest.importorskip("metaworld")
        package = {extra: package for package, extra in PACKAGES.items()}.get(option)
        if package and find_spec(package) is None:
            pytest.skip(how_to_install(package))
        env = make_environment(spec)
        env.reset(seed=0)
        env.close()


@pytest.mark.parametrize("option", [*GROUPS["tracker"], "[tensorboard,wandb]"])
def test_every_tracker_takes_a_record(option, tmp_path: Path):
    config = compose("train", f"tracker={option}")
    tracker = new_tracker({**config, "name": "test"}, tmp_path, 0)
    tracker.log({"kind": "train", "step": 1, "loss": 0.5})
    tracker.close()
    assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 1
