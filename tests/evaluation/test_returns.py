"""Returns and measures of progress: means, intervals, and pairs of the same initial state."""

import json

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_rel

from dist2_robot.evaluation.compare import compare_runs, format_table
from dist2_robot.evaluation.report import write_report
from dist2_robot.evaluation.returns import compare_returns, format_returns, returns_table
from dist2_robot.evaluation.run_files import load_run
from dist2_robot.evaluation.summary import summarise
from tests.evaluation.synthetic_runs import make_episodes


def evaluation(gain=0.0, n=10, errors=0):
    episodes = make_episodes(0.6, n=n, errors=errors)
    for i, episode in enumerate(episodes):
        is_error = episode["outcome"] == "error"
        coverage = {"largest": 0.5 + 0.03 * i + gain, "last": 0.4 + 0.02 * i}
        episode |= {"episode_return": None if is_error else 10.0 + i + gain * i, "progress": {"coverage": coverage}}
    return summarise(episodes) | {"environment": "e", "task": "t"}


def test_means_have_students_interval_and_errors_do_not_count():
    found = evaluation(errors=1, n=40)
    values = [10.0 + i for i in range(1, 40)]
    theirs = ttest_1samp(values, 0).confidence_interval()
    assert found["mean_return"] == pytest.approx(np.mean(values))
    assert found["return_interval"] == pytest.approx([theirs.low, theirs.high])
    assert found["progress"]["coverage"]["largest"] == pytest.approx(np.mean([0.5 + 0.03 * i for i in range(1, 40)]))
    assert evaluation(n=1)["return_interval"] is None
    assert "coverage: largest" in "\n".join(format_returns(found))


def test_what_no_environment_tells_is_not_there():
    plain = summarise(make_episodes(0.6))
    assert (plain["mean_return"], plain["progress"], format_returns(plain)) == (None, {}, [])
    assert returns_table({"a": plain}) == []
    assert compare_returns(plain, plain) == {}


def test_differences_are_paired_by_initial_state():
    a, b = evaluation(), evaluation(0.1)
    b["per_episode"].reverse()
    found = compare_returns(a, b)
    theirs = ttest_rel([10 + 1.1 * i for i in range(10)], [10.0 + i for i in range(10)])
    assert found["return"]["difference"] == pytest.approx(0.45)
    assert found["return"]["p_value"] == pytest.approx(theirs.pvalue)
    assert found["coverage, largest"]["difference"] == pytest.approx(0.1)
    assert found["coverage, last"]["difference"] == 0.0
    same = compare_returns(a, a)
    assert all(each["difference"] == 0.0 and each["interval"] == [0.0, 0.0] for each in same.values())

    text = format_table(compare_runs({"a": a, "b": b}))
    assert "coverage, largest" in text
    assert "return +0.45" in text


def test_the_page_shows_them(write_run, tmp_path):
    folder = write_run("a")
    results = json.loads((folder / "eval" / "results.json").read_text())
    told = evaluation()
    (folder / "eval" / "results.json").write_text(
        json.dumps(results | {k: told[k] for k in ("mean_return", "return_interval", "progress")})
    )
    text = write_report([load_run(folder)], tmp_path / "report.html").read_text()
    assert "return [95 %]" in text
    assert "coverage, last" in text
