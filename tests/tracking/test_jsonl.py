import json
import resource

import pytest

from dist2_robot.tracking.jsonl import JsonlTracker
from dist2_robot.tracking.protocol import Trackers


def steps(path):
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def write(path, *numbers):
    tracker = JsonlTracker(path, resume_step=10**9)
    for step in numbers:
        tracker.log({"kind": "train", "step": step, "error": {"x": 0.5}})
    tracker.close()


def test_a_record_is_in_the_file_at_once(tmp_path):
    path = tmp_path / "new" / "metrics.jsonl"
    tracker = JsonlTracker(path)
    tracker.log({"kind": "train", "step": 1, "loss": 0.5})
    assert json.loads(path.read_text()) == {"kind": "train", "step": 1, "loss": 0.5}
    tracker.close()


@pytest.mark.fault("R4")
def test_what_comes_after_the_resume_step_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, 10, 20, 30, 40)
    JsonlTracker(path, resume_step=20).close()
    assert steps(path) == [10, 20]
    write(path, 30)
    assert steps(path) == [10, 20, 30]
    JsonlTracker(path).close()  # a training from the start
    assert steps(path) == []
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.fault("R1")
@pytest.mark.parametrize("cut", [1, 2, 10, 40])  # one of them ends with a brace, and still is no record
def test_a_line_that_was_cut_off_is_dropped(tmp_path, cut):
    path = tmp_path / "metrics.jsonl"
    write(path, 10, 20)
    path.write_text(path.read_text().rstrip("\n")[:-cut])
    JsonlTracker(path, resume_step=20).close()
    assert steps(path) == [10]


def test_several_trackers_all_get_everything(tmp_path):
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    trackers = Trackers(*[JsonlTracker(path) for path in paths])
    trackers.log({"kind": "train", "step": 3})
    trackers.close()
    assert steps(paths[0]) == steps(paths[1]) == [3]


@pytest.mark.fault("R3")
def test_a_record_that_cannot_be_written_is_told_with_its_file(tmp_path):
    path = tmp_path / "metrics.jsonl"
    tracker = JsonlTracker(path)
    tracker.log({"kind": "train", "step": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot write '.*metrics\.jsonl' \(.*too large"):
            tracker.log({"kind": "train", "step": 2})
        tracker.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    JsonlTracker(path, resume_step=1).close()
    assert steps(path) == [1]


@pytest.mark.fault("R2")
@pytest.mark.parametrize("line", ["5", "[]", '{"kind": "train"}', '{"step": null}', "[" * 10**5])
def test_a_line_that_is_no_record_is_dropped(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    write(path, 10)
    with path.open("a") as file:
        file.write(line + "\n")
    write(path, 20)
    assert steps(path) == [10, 20]
