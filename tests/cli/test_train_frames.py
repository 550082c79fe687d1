"""dist2-train policy=frame_predictor: from recorded pictures to a checkpoint that predicts them."""

import json

import imageio.v3 as imageio
import pytest
import torch

from dist2_robot.checkpoints.frame_predictors import check_golden_codes, load_frame_predictor
from dist2_robot.checkpoints.golden import GOLDEN_FILE
from dist2_robot.checkpoints.store import find_checkpoint, load_policy, read_tensors
from dist2_robot.data.future_windows import NEXT
from dist2_robot.errors import InputError
from tests.cli.small import SMALL
from tests.cli.test_train import metrics, weights
from tests.data.recordings import CAMERA, write_filmed

OPTIONS = (
    "policy=frame_predictor",
    "dataset.image_size=16",
    "policy.codec.codes=16",
    "policy.codec.channels=8",
    "policy.codec.steps=20",
    *(option for option in SMALL if not option.startswith("tokenizer.")),
)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    return write_filmed(tmp_path_factory.mktemp("filmed") / "data", video=False)


def test_a_run_keeps_what_it_learned_and_shows_it(command, filmed, tmp_path):
    outcome = command("dist2-train", f"dataset.root={filmed}", "output=run", *OPTIONS)
    assert outcome.code == 0, outcome.err
    run = tmp_path / "run"
    predictor, manifest = load_frame_predictor(run)
    golden = read_tensors(find_checkpoint(run), manifest, GOLDEN_FILE)
    assert check_golden_codes(predictor, golden) == 0
    assert golden["tokens"].shape == (4, 16)
    assert NEXT + CAMERA not in golden
    assert not (find_checkpoint(run) / "config.json").exists()  # LeRobot would take it for a policy

    records = [record for record in metrics(run) if record["kind"] == "validation"]
    assert [record["step"] for record in records] == [10, 20]
    assert {"loss", "exact_codes", "psnr_db"} <= set(records[-1])
    summary = json.loads((run / "summary.json").read_text())
    assert summary["frames"] == {key: records[-1][key] for key in ("loss", "exact_codes", "psnr_db")}
    assert imageio.imread(run / "frames.png").ndim == 3
    with pytest.raises(InputError, match="frame_predictor"):
        load_policy(run)


def test_a_stopped_run_goes_on_to_the_same_weights(command, filmed, tmp_path):
    whole = command("dist2-train", f"dataset.root={filmed}", "output=whole", *OPTIONS)
    assert whole.code == 0, whole.err
    for run in ("output=half", "output=half"):
        resume = ["resume=true"] if (tmp_path / "half").exists() else []
        last = tmp_path / "half" / "checkpoints" / "step_0000020"
        outcome = command("dist2-train", f"dataset.root={filmed}", run, *OPTIONS, *resume)
        assert outcome.code == 0, outcome.err
        if not resume:
            for path in sorted(last.iterdir()):
                path.unlink()
            last.rmdir()
    assert weights(tmp_path / "half") == weights(tmp_path / "whole")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["policy.camera=observation.images.back"], "policy.camera"),
        (["policy.horizon=40"], "policy.horizon"),
        (["dataset.image_size=18"], "multiples of 4"),
        (["loss=emd"], "loss 'emd'"),
        (["trainer.evaluate_every=5"], "evaluate_every"),
        (["dataset.observations=[observation.state]"], "policy.camera"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(command, filmed, options, words):
    outcome = command("dist2-train", f"dataset.root={filmed}", "output=run", *OPTIONS, *options)
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.strip().count("\n") == 0 or "Traceback" not in outcome.err
    torch.use_deterministic_algorithms(False)
