"""Policies without a simulation, from the command line: scored, compared and reported on held-out episodes."""

import json
import shutil

import pytest
import torch

from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.train import train
from tests.cli.small import SMALL
from tests.data.recordings import write_reach

MORE = ("dataset.validation=0.4", "trainer.steps=12", "trainer.save_every=12", "trainer.validate_every=12")


def trained(root, output, *options):
    threads = torch.get_num_threads()
    assert train(compose_config("train", [*SMALL, *MORE, f"dataset.root={root}", f"output={output}", *options])) == 0
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)
    return output


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a folder with data, a run over tokens, one of regression, and one that saw nothing held out."""
    place = tmp_path_factory.mktemp("held_out")
    write_reach(place / "data")
    trained(place / "data", place / "tokens")
    trained(place / "data", place / "regression", "policy=regression", "loss=l1")
    trained(write_reach(place / "moved"), place / "none", "dataset.validation=0")
    return place


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


def test_a_training_ends_with_its_scores_and_dist2_eval_finds_the_same(runs, command):
    at_end = json.loads((runs / "tokens" / "held_out.json").read_text())
    last = [json.loads(line) for line in (runs / "tokens" / "metrics.jsonl").read_text().splitlines()][-1]
    assert last["kind"] == "validation"
    for score, value in at_end["overall"].items():
        assert last[score] == pytest.approx(value, rel=1e-6), score
    assert last["action_error"] == pytest.approx({d["name"]: d["mae"] for d in at_end["dimensions"]})

    outcome = command("dist2-eval", f"checkpoint={runs / 'tokens'}", "device=cpu", f"output={runs / 'again'}")
    assert outcome.code == 0, outcome.err
    found = results_of(runs / "again")
    assert found["overall"] == pytest.approx(at_end["overall"])
    assert found["per_episode"] == at_end["per_episode"]
    assert len(found["per_episode"]) == 3
    assert "success_rate" not in found
    for words in ("held-out episodes: 3", "dimension", "CRPS", "in 90 %", " cm ", "error/std by step"):
        assert words in outcome.out


def test_one_checkpoint_under_two_decodings_is_compared_with_itself(runs, command):
    median = command(
        "dist2-eval", f"checkpoint={runs / 'tokens'}", "env=none", "decoding=median", f"output={runs}/tokens/median"
    )
    assert median.code == 0, median.err
    outcome = command(
        "dist2-compare", f"runs=[{runs / 'tokens'}]", "evaluation=[eval,median]", f"output={runs / 'compared'}"
    )
    assert outcome.code == 0, outcome.err
    assert "tokens, eval" in outcome.out
    assert "against tokens, eval, paired by episode" in outcome.out
    content = json.loads((runs / "compared" / "comparison.json").read_text())
    (difference,) = content["held_out"]["differences"]
    first, second = (json.loads((runs / "tokens" / f).read_text()) for f in ("held_out.json", "median/results.json"))
    assert (first["decoding"], second["decoding"]) == ("local_mean", "median")
    scores = difference["scores"]
    assert scores["mae"]["difference"] == pytest.approx(second["overall"]["mae"] - first["overall"]["mae"])
    assert scores["mae"]["difference"] != 0
    assert scores["crps"]["difference"] == scores["nll"]["difference"] == 0.0  # the distributions are the same
    assert difference["n"] == 3
    assert (runs / "compared" / "comparison.png").stat().st_size > 5000
    assert "<h2>Held-out episodes" in (runs / "compared" / "comparison.html").read_text()


def test_a_regression_and_tokens_are_compared_without_inventing_anything(runs, command):
    outcome = command("dist2-compare", f"runs=[{runs / 'tokens'},{runs / 'regression'}]")
    assert outcome.code == 0, outcome.err
    assert "regression: it predicts a point" in outcome.out
    content = json.loads((runs / "regression" / "held_out.json").read_text())
    assert content["overall"]["crps"] == content["overall"]["mae"]
    assert content["overall"]["nll"] is None
    row = next(line for line in outcome.out.splitlines() if line.startswith("regression  "))
    assert row.count(" - ") >= 3  # no likelihood, no coverage


def test_other_episodes_are_scored_by_naming_their_dataset(runs, command, tmp_path):
    write_reach(tmp_path / "other", seed=5)
    where = (f"checkpoint={runs / 'none'}", "env=none", "output=scored")
    outcome = command("dist2-eval", *where, f"dataset.root={tmp_path / 'other'}")
    assert outcome.code == 0, outcome.err
    assert len(results_of(tmp_path / "scored")["per_episode"]) == 8

    about = tmp_path / "other" / "meta" / "dist2_robot.json"
    recorded = json.loads(about.read_text())
    recorded["action_spec"]["dimensions"][0]["unit"] = "mm"
    about.write_text(json.dumps(recorded))
    refused = command("dist2-eval", *where, f"dataset.root={tmp_path / 'other'}")
    assert refused.code == 2
    assert "its action units of x are [mm], the policy's [cm]" in refused.err


def refusal(outcome):
    assert outcome.code == 2
    assert len(outcome.err.strip().splitlines()) == 1
    return outcome.err


def test_what_cannot_be_scored_is_refused_in_one_line(runs, command, tmp_path):
    nothing = refusal(command("dist2-eval", f"checkpoint={runs / 'none'}", "env=none"))
    assert "dataset.validation=0" in nothing
    assert "dataset.root=" in nothing

    alone = tmp_path / "alone"
    shutil.copytree(runs / "tokens" / "checkpoints" / "step_0000012", alone)
    assert "config.json" in refusal(command("dist2-eval", f"checkpoint={alone}", "env=none"))

    shutil.rmtree(runs / "moved")
    assert "not at" in refusal(command("dist2-eval", f"checkpoint={runs / 'none'}"))
    write_reach(runs / "moved", seed=3)
    assert "is not what" in refusal(command("dist2-eval", f"checkpoint={runs / 'none'}"))

    assert "no evaluation 'mean'" in refusal(command("dist2-compare", f"runs=[{runs / 'tokens'}]", "evaluation=mean"))
