"""Files of a run that anyone may have made: what is drawn from them is checked when they are read."""

import json
import os

import pytest

from dist2_robot.errors import InputError
from dist2_robot.evaluation.run_files import load_run
from dist2_robot.evaluation.summary import summarise

EPISODE = {"index": 0, "seed": 1, "outcome": "success", "steps": 9, "success_step": 5, "success_at_end": True}
NAMES = ("config.json", "summary.json", "examples.json", "metrics.jsonl", "held_out.json", "eval/results.json")


@pytest.fixture
def run(tmp_path):
    (tmp_path / "eval").mkdir()
    (tmp_path / "config.json").write_text('{"name": "run"}')
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "kind": "train", "loss": NaN}\n')
    (tmp_path / "eval/results.json").write_text(json.dumps(summarise([EPISODE])))
    return tmp_path


ODD = ("x", [], {"a": 1}, [[1]], -1.5, 10**400, float("inf"), True)
FITS = {
    *((key, "[]") for key in ("videos", "per_episode", "action_error_by_step")),
    *((key, "-1.5") for key in ("success_rate", "wall_time_s")),
    ("versions", "{'a': 1}"),
}
ENTRIES = {
    "eval/results.json": ("success_rate", "success_interval", "errors", "per_episode", "videos"),
    "metrics.jsonl": ("step", "success_interval", "action_error_by_step"),
    "summary.json": ("wall_time_s", "versions"),
    "config.json": ("seed",),
}


@pytest.mark.fault("A12")
@pytest.mark.parametrize("value", ODD, ids=lambda x: str(x)[:9])
@pytest.mark.parametrize(("file", "key"), [(file, key) for file, keys in ENTRIES.items() for key in keys])
def test_an_entry_of_another_kind_is_one_line(run, file, key, value):
    path = run / file
    content = json.loads(path.read_text()) if path.exists() else {}
    changed = json.dumps(content | {key: value})
    path.write_text(f"{changed}\n{json.dumps(content)}\n" if file == "metrics.jsonl" else changed)
    if (key, str(value)) in FITS:
        load_run(run)
        return
    with pytest.raises(InputError, match=r"^[^\n]*(no valid|not valid JSON|no evaluation)[^\n]*$"):
        load_run(run)


@pytest.mark.fault("A8")
@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_in_place_of_any_file_hangs_nobody(run, name):
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    with pytest.raises(InputError, match=r"no regular file|no results"):
        load_run(run)


def test_half_a_last_line_is_left_out_and_half_a_line_before_others_is_an_error(run):
    path = run / "metrics.jsonl"
    whole = path.read_text()
    path.write_text(whole + '{"step": 2, "ki')
    assert [line["step"] for line in load_run(run).metrics] == [1]
    path.write_text('{"step": 2, "ki\n' + whole)
    with pytest.raises(InputError, match="line 1, is not valid JSON"):
        load_run(run)
