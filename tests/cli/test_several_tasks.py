"""dist2-train on filmed recordings of two tasks at once."""

import json
import shutil

import pytest

from dist2_robot.checkpoints.golden import GOLDEN_FILE, check_golden
from dist2_robot.checkpoints.store import MODEL_FILE, find_checkpoint, load_policy, read_tensors
from tests.cli.small import SMALL
from tests.cli.test_refusals import check_one_line
from tests.data.recordings import CAMERA, TASK, write_filmed

PULL = "Pull it back."
OPTIONS = (
    *SMALL,
    "dataset.weights=[1,2]",
    "dataset.image_size=32",
    "policy.history=2",
    "trainer.steps=8",
    "trainer.save_every=4",
    "trainer.log_every=1",
    "vision.channels=8",
)


@pytest.fixture(scope="session")
def filmed(tmp_path_factory):
    """Two folders, to be read only."""
    folder = tmp_path_factory.mktemp("filmed")
    return [write_filmed(folder / name, task, seed) for seed, (name, task) in enumerate({"a": TASK, "b": PULL}.items())]


@pytest.fixture
def arguments(filmed, tmp_path):
    """What to call dist2-train with."""
    return ["dist2-train", f"dataset.root=[{filmed[0]},{filmed[1]}]", *OPTIONS, f"dataset.cache={tmp_path / 'cache'}"]


def losses(run):
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [record["loss"] for record in records if record["kind"] == "train"]


def test_two_filmed_tasks_are_learned_and_go_on_to_the_bit(command, arguments, tmp_path):
    outcome = command(*arguments, "output=run")
    assert outcome.code == 0, outcome.err
    run = tmp_path / "run"
    policy, manifest = load_policy(run)
    assert manifest.tasks == [TASK, PULL]
    assert policy.observation.pictures == {CAMERA: (32, 32)}
    assert policy.observation.tasks == (TASK, PULL)
    assert policy.observation.history == 2
    assert len(manifest.dataset["root"]) == 2
    golden = read_tensors(find_checkpoint(run), manifest, GOLDEN_FILE)
    assert check_golden(policy, golden, manifest.golden_tasks) == 0
    assert set(manifest.golden_tasks) <= {TASK, PULL}

    half = shutil.copytree(run, tmp_path / "half")
    shutil.rmtree(half / "checkpoints" / "step_0000008")
    assert command(*arguments, "output=half", "resume=true").code == 0
    assert losses(half) == losses(run)
    assert all((find_checkpoint(r) / MODEL_FILE).read_bytes() == model(run) for r in (half, run))


def model(run):
    return (find_checkpoint(run) / MODEL_FILE).read_bytes()


def test_how_often_a_dataset_is_drawn_from_counts(command, arguments, tmp_path):
    assert command(*arguments, "output=a").code == 0
    assert command(*arguments, "output=b", "dataset.weights=[2,1]").code == 0
    assert model(tmp_path / "a") != model(tmp_path / "b")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["dataset.image_size=wide"], ["dataset.image_size", "'wide'"]),
        (["dataset.image_size=[32]"], ["dataset.image_size", "[32]"]),
        (["dataset.image_size=0"], ["dataset.image_size"]),
        (["dataset.image_size=true"], ["dataset.image_size", "True"]),
        (["dataset.image_size=8"], ["vision 'conv'", "at least 16 pixels", "(8, 8)"]),
        (["dataset.weights=[1]"], ["dataset.weights", "2 datasets", "[1]"]),
        (["dataset.weights=[0,0]"], ["dataset.weights", "[0, 0]"]),
        (["dataset.weights=[1,-1]"], ["dataset.weights", "[1, -1]"]),
        (["dataset.weights=[a,b]"], ["dataset.weights", "['a', 'b']"]),
        (["dataset.weights=3"], ["dataset.weights", "3"]),
        (["dataset.observations=[observation.images.back]"], ["observation.images.back"]),
        (["policy.history=0"], ["policy.history"]),
        (["policy.history=two"], ["policy.history"]),
        (["augmentation.shift=2"], ["augmentation.shift"]),
        (["vision.channels=12"], ["vision 'conv'", "channels must be a multiple of 8"]),
        (["vision=timm", "vision.model=resnt18", "~vision.channels"], ["vision 'timm'", "resnt18", "Did you mean"]),
        (["vision=resnet18", "vision.weights=nowhere", "~vision.channels"], ["nowhere", "vision.weights"]),
        (["instruction=text_model", "instruction.path=nowhere"], ["instruction 'text_model'", "'nowhere'"]),
    ],
)
def test_what_makes_no_sense_of_pictures_and_tasks_leaves_no_folder(command, arguments, wrong, says, tmp_path):
    if any("~vision" in word for word in wrong):
        arguments, wrong = [a for a in arguments if "vision.channels" not in a], wrong[:-1]
    outcome = command(*arguments, "output=run", *wrong)
    message = check_one_line("dist2-train", outcome.code, outcome.err.rpartition("picture/s]\n")[2])
    for words in says:
        assert words in message
    assert not (tmp_path / "run").exists()


def test_datasets_that_do_not_go_together_are_named(command, filmed, reach, teleoperated):
    for other, says in {reach: CAMERA, teleoperated: "have other names"}.items():
        outcome = command("dist2-train", f"dataset.root=[{filmed[0]},{other}]", "output=run", *SMALL)
        assert says in check_one_line("dist2-train", outcome.code, outcome.err)


def test_a_dataset_that_is_not_there_is_named(command, filmed):
    outcome = command("dist2-train", f"dataset.root=[{filmed[0]},nowhere]", "output=run", *SMALL)
    assert "'nowhere'" in check_one_line("dist2-train", outcome.code, outcome.err)
