"""Action columns that never move in a recording, through the commands."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dist2_robot.checkpoints.store import load_policy
from dist2_robot.cli.run_folder import last_checkpoint
from dist2_robot.types import Observation
from tests.cli.small import SMALL
from tests.cli.test_refusals import refused
from tests.data.still_columns import MOVING, NAMES, SENT, STANDS, write_still_columns

__all__ = ["refused"]


@pytest.fixture(scope="session")
def hand(tmp_path_factory):
    return write_still_columns(tmp_path_factory.mktemp("recordings") / "hand")


@pytest.mark.parametrize("policy", [(), ("policy=regression", "loss=l1")], ids=["token", "regression"])
def test_a_policy_does_not_predict_them_and_sends_them_as_recorded(command, hand, policy):
    settings = [x for x in SMALL if not (policy and x.startswith("tokenizer."))]
    outcome = command("dist2-train", f"dataset.root={hand}", "output=run", *settings, *policy)
    assert outcome.code == 0, outcome.err
    assert "6 action dimensions, 2 of which never move and are sent as recorded, (limits from data)" in outcome.out
    trained, manifest = load_policy(last_checkpoint(Path("run")))
    told = [entry.get("constant") for entry in manifest.action_spec["dimensions"]]
    assert told == [None, float(SENT[0]), None, None, float(SENT[1]), None]
    chunk = trained.act(Observation({"observation.state": torch.randn(5, 6)}))
    assert chunk.actions.shape == (5, 3, 6)
    assert (chunk.actions[..., STANDS].numpy() == SENT).all()
    assert not policy or chunk.tokens is None
    assert policy or chunk.tokens.shape == (5, 3 * len(MOVING))
    if not policy:
        assert "12 tokens of 16 a chunk" in outcome.out


def test_tokenizers_are_measured_on_what_moves(command, hand, tmp_path):
    outcome = command("dist2-tokenizer", f"dataset.root={hand}", "horizon=4", "output=out")
    assert outcome.code == 0, outcome.err
    assert "4 steps of 6 action dimensions, 2 of which never move and are sent as recorded, at 20 Hz" in outcome.out
    found = json.loads((tmp_path / "out" / "tokenizers.json").read_text())
    assert found["not_measured"] == {}
    assert found["constants"] == {NAMES[1]: float(SENT[0]), NAMES[4]: float(SENT[1])}
    measured = {row["label"]: row for row in found["tokenizers"]}
    assert measured["uniform"]["tokens"] == 4 * len(MOVING)
    for row in measured.values():
        assert list(row["error_by_dimension"]) == [NAMES[i] for i in MOVING]
        mean = np.mean(list(row["tolerances_by_dimension"].values()))
        assert row["error"]["mean"] == pytest.approx(mean)


@pytest.mark.parametrize("name", ["dist2-train", "dist2-tokenizer"])
def test_where_nothing_moves_it_says_so_in_one_line(refused, tmp_path, name):
    root = write_still_columns(tmp_path / "still", moves=False)
    message = refused(name, f"dataset.root={root}", *(["output=run", "env=none"] if name == "dist2-train" else []))
    assert "never move in the recordings, so there is nothing to learn" in message
