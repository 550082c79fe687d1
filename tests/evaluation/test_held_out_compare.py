"""Comparing scores on held-out episodes: the laws of pairing, what cannot be paired, and the page that shows it."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_rel

from dist2_robot.errors import InputError
from dist2_robot.evaluation.comparison_picture import write_comparison_picture
from dist2_robot.evaluation.held_out_compare import compare_held_out, compare_held_out_methods
from dist2_robot.evaluation.held_out_text import format_held_out_comparison
from dist2_robot.evaluation.paired_scores import compare_scores, mean_interval
from dist2_robot.evaluation.report import write_report
from dist2_robot.evaluation.run_files import load_run
from tests.evaluation.synthetic_runs import DIMENSIONS, make_held_out
from tests.evaluation.test_report import Page


def test_a_run_against_itself_differs_by_nothing():
    content = make_held_out()
    (entry,) = compare_held_out({"a": content, "b": copy.deepcopy(content)})["differences"]
    for found in entry["scores"].values():
        assert (found["difference"], found["interval"], found["p_value"]) == (0.0, [0.0, 0.0], 1.0)


def test_differences_are_those_of_the_scores_and_turn_their_sign():
    a, b = make_held_out(0.2), make_held_out(0.15)
    for episode in b["per_episode"]:
        episode["mae"] += 0.01 * len(episode["key"])
    b["per_episode"].reverse()  # pairs are found by what was done, wherever an episode lies
    (one,), (two,) = (
        compare_held_out(dict(order))["differences"] for order in ([("a", a), ("b", b)], [("b", b), ("a", a)])
    )
    numbers = [episode["numbers"] for episode in a["per_episode"]]
    by_key = {episode["key"]: episode["mae"] for episode in b["per_episode"]}
    gains = [by_key[episode["key"]] - episode["mae"] for episode in a["per_episode"]]
    assert one["scores"]["mae"]["difference"] == pytest.approx(np.average(gains, weights=numbers))
    assert one["scores"]["crps"]["mean_a"] == pytest.approx(a["overall"]["crps"])
    assert one["scores"]["crps"]["mean_b"] == pytest.approx(b["overall"]["crps"])
    assert one["scores"]["mae"]["difference"] == pytest.approx(-two["scores"]["mae"]["difference"])
    assert one["scores"]["mae"]["interval"] == pytest.approx([-x for x in two["scores"]["mae"]["interval"][::-1]])


def test_weights_that_are_alike_are_no_weights_and_intervals_hold_the_mean_as_often_as_they_say():
    generator = np.random.default_rng(0)
    a, b = ({i: float(x) for i, x in enumerate(generator.normal(size=9))} for _ in range(2))
    theirs = ttest_rel(list(b.values()), list(a.values()))
    found = compare_scores(a, b, dict.fromkeys(a, 7.0))
    assert found.p_value == pytest.approx(theirs.pvalue)
    assert found.interval == pytest.approx(tuple(theirs.confidence_interval()))

    inside = 0
    for _ in range(1000):  # long episodes weigh more, and vary as much as short ones
        weights = generator.integers(10, 40, 12)
        low, high = mean_interval(generator.normal(1.0, 0.5, 12), weights)
        inside += low < 1.0 < high
    assert 920 <= inside <= 980
    assert mean_interval([1.0]) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.update(make_held_out(seed=1)), "share only 0 held-out episodes of 6 and 6"),
        (lambda c: c["per_episode"].pop(), "share only 5 held-out episodes of 6 and 5"),
        (lambda c: c["per_episode"][0].update(numbers=7), "chunks of the episodes were scored"),
        (lambda c: c.update(horizon=16), "8 and 16 steps"),
        (lambda c: c["dimensions"][0].update(unit="mm"), "units"),
        (lambda c: c["dimensions"][0].update(name="q"), "names"),
    ],
)
def test_other_episodes_and_other_actions_are_not_paired(change, words):
    other = make_held_out()
    change(other)
    with pytest.raises(InputError, match=words):
        compare_held_out({"a": make_held_out(), "b": other}, strict=True)
    compared = compare_held_out({"a": make_held_out(), "b": other})
    assert words in compared["differences"][0]["note"]
    assert words in format_held_out_comparison(compared)


def test_what_a_point_lacks_is_not_compared():
    compared = compare_held_out({"tokens": make_held_out(0.2), "point": make_held_out(0.15, decoding=None)})
    assert list(compared["differences"][0]["scores"]) == ["mae", "crps"]
    assert compared["rows"][1]["nll"] is compared["rows"][1]["coverage_90_interval"] is None
    text = format_held_out_comparison(compared)
    assert "point: it predicts a point" in text
    assert "p < 0.001" in text or "p = 0." in text


@pytest.fixture
def run_of(write_run):
    """Write a run without a simulation, of a training seed, and load it."""

    def write(name, content, number, seed=0, evaluation=False):
        folder = write_run(name, seed=number)
        (folder / "config.json").write_text(json.dumps({"name": name, "seed": seed}))
        (folder / "held_out.json").write_text(json.dumps(content))
        if not evaluation:
            (folder / "eval" / "results.json").unlink()
        return load_run(folder)

    return write


def test_methods_are_paired_by_training_seed(run_of, tmp_path):
    runs = [
        run_of(name, make_held_out(error, seed=seed), 10 * m + seed, seed)
        for m, (name, error) in enumerate((("a", 0.2), ("b", 0.16)))
        for seed in (0, 1, 2)
    ]
    compared = compare_held_out_methods(runs)
    overall = [run.held_out["overall"]["crps"] for run in runs]
    assert compared["rows"][0]["crps"] == pytest.approx(np.mean(overall[:3]))
    found = compared["differences"][0]["scores"]["crps"]
    theirs = ttest_rel(overall[3:], overall[:3])
    assert (found["n"], found["p_value"]) == (3, pytest.approx(theirs.pvalue))
    assert found["difference"] == pytest.approx(np.mean(overall[3:]) - np.mean(overall[:3]))
    assert "method" in format_held_out_comparison(compared)
    text = write_report(runs, tmp_path / "report.html").read_text()
    assert "<th>method</th>" in text
    assert "cannot be paired" not in text

    with pytest.raises(InputError, match="with training seed 0 and the same held-out episodes"):
        compare_held_out_methods([runs[0], runs[0]])
    apart = compare_held_out_methods([runs[0], runs[4]])
    assert "share no training seed" in apart["differences"][0]["note"]


def test_the_page_and_the_picture_show_a_run_without_a_simulation(run_of, tmp_path):
    runs = [run_of("tokens", make_held_out(), 1), run_of("regression", make_held_out(0.23, decoding=None), 2)]
    text = write_report(runs, tmp_path / "report.html").read_text()
    page = Page(text)
    assert "<h2>Held-out episodes" in text
    assert "<h2>Success" not in text
    assert "<h2>Held-out action error" not in text  # the same in less detail
    assert page.tags.count("svg") == 4 + 3 + 4 * 2  # of held-out scores, learning, and examples
    for what in ("error [95 %]", "42 %", "0.200", "regression: it predicts a point", *DIMENSIONS):
        assert what in text
    comparison = {"kind": "held_out", "held_out": compare_held_out({run.name: run.held_out for run in runs})}
    assert write_comparison_picture(comparison, tmp_path / "picture.png").stat().st_size > 5000


def test_a_page_of_one_run_and_one_with_both_kinds_of_results(run_of, tmp_path):
    alone = run_of("alone", make_held_out(), 1)
    assert "<h2>Held-out episodes" in write_report([alone], tmp_path / "one.html").read_text()
    both = run_of("both", make_held_out(decoding="min_risk"), 2, evaluation=True)
    text = write_report([both], tmp_path / "both.html").read_text()
    assert "<h2>Success" in text
    assert "<h2>Held-out episodes" in text
    unknown = copy.deepcopy(alone.held_out)
    unknown["dimensions"][0]["unit"] = "?"
    assert "?" not in "".join(
        write_report([replace(alone, held_out=unknown, config={})], tmp_path / "q.html")
        .read_text()
        .split("<h2>Held-out")[1]
        .split("<h2>")[0]
    )


def test_scores_of_another_decoding_are_not_those_of_an_evaluation(run_of):
    run = run_of("a", make_held_out(decoding="median"), 1, evaluation=True)
    assert run.results["decoding"] == "min_risk"
    assert run.held_out == {}
    assert load_run(run.folder, run.folder / "sampled").held_out == {}  # which was never made


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("overall"),
        lambda c: c["overall"].update(mae="<b>"),
        lambda c: c["overall"].update(crps=math.nan),
        lambda c: c["dimensions"].clear(),
        lambda c: c["dimensions"][1].pop("std"),
        lambda c: c["per_episode"][0].update(key=3),
        lambda c: c["per_episode"].append(3),
        lambda c: c.update(mae_by_step={}),
        lambda c: c.update(horizon=0),
        lambda c: c.update(note=["x"]),
    ],
)
def test_a_file_that_is_none_is_named(write_run, change):
    folder, content = write_run("a"), make_held_out()
    change(content)
    (folder / "held_out.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"held_out\.json holds no scores"):
        load_run(folder)
