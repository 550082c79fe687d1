"""Trials are done once, whatever happens to others, and pages are drawn from the results file alone."""

from dataclasses import replace

import pytest

from dist2_robot.claims.overview import overview
from dist2_robot.claims.page import write_claim_page
from dist2_robot.claims.results import read_claim
from dist2_robot.claims.run import run_claim
from dist2_robot.claims.tables import claim_tables
from dist2_robot.errors import InputError
from tests.claims.fake_trials import make_claim


def done(output):
    path = output / "done.txt"
    names = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return names


def test_a_claim_is_tried_once_and_what_is_lost_is_tried_again(tmp_path):
    claim = make_claim()
    first = run_claim(claim, tmp_path, workers=1)
    assert done(tmp_path) == [trial.name for trial in claim.trials]
    assert run_claim(claim, tmp_path, workers=1) == first
    assert done(tmp_path) == []
    (tmp_path / claim.trials[4].name / "job.json").unlink()
    assert run_claim(claim, tmp_path, workers=1) == first
    assert done(tmp_path) == [claim.trials[4].name]
    assert [row["seed"] for row in read_claim(tmp_path / "results.json").rows] == [row["seed"] for row in first.rows]


def test_only_some_trials_are_done_where_only_some_are_asked_for(tmp_path):
    claim = make_claim()
    results = run_claim(claim, tmp_path, workers=1, only="dist2/size10-seed3")
    assert done(tmp_path) == ["core/dist2/size10-seed3"]
    assert results.parts["core"]["done"] == 1
    run_claim(claim, tmp_path, workers=1, shard=(1, 2), only="seed0")
    assert done(tmp_path) == [trial.name for trial in claim.trials if "seed0" in trial.name][1::2]


def test_other_settings_are_refused(tmp_path):
    claim = make_claim(seeds=[0])
    run_claim(claim, tmp_path, workers=1, only="one_hot")
    changed = replace(claim, trials=tuple(replace(trial, settings={"loss": "x"}) for trial in claim.trials))
    with pytest.raises(InputError, match="other settings"):
        run_claim(changed, tmp_path, workers=1)


def test_a_trial_that_fails_is_told_and_stops_nobody(tmp_path):
    results = run_claim(make_claim("breaks", "one_hot", sizes=(1,), seeds=[0, 1]), tmp_path, workers=1)
    assert [entry["error"] for entry in results.failed] == ["RuntimeError: the floor is gone"] * 2
    assert {row["method"] for row in results.rows} == {"one_hot"}
    assert claim_tables(results)[-1].title == "Without results"


@pytest.mark.parametrize("done_parts", ["all", "one", "none"])
def test_pages_of_a_part_are_drawn_too(tmp_path, done_parts):
    only = {"all": None, "one": "one_hot", "none": "nothing"}[done_parts]
    run_claim(make_claim(), tmp_path, workers=1, only=only)
    results = read_claim(tmp_path / "results.json")
    text = write_claim_page(results, tmp_path / "page.md", tmp_path / "page.png")
    assert (tmp_path / "page.png").exists() == (done_parts != "none")
    expected = "holds" if done_parts == "all" else "cannot be told"
    answer = next(line for line in text.splitlines() if line.startswith("verdict"))
    assert answer.removeprefix("verdict").strip().startswith(expected)
    assert f"**{expected}**" in overview([results])


def test_two_trials_of_one_name_are_refused():
    claim = make_claim(seeds=[0])
    with pytest.raises(InputError, match="same part"):
        replace(claim, trials=claim.trials * 2)
