"""results.json of a study that anyone may have changed: drawn, or refused by its name and the entry."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from dist2_robot.errors import InputError
from dist2_robot.studies.results import RESULTS_FILE, StudyResults, read_results
from tests.studies.synthetic_rows import A, make_row


def written(folder: Path) -> dict:
    stages = [{"name": "screen", "about": "Short.", "jobs": 1, "done": 1}]
    StudyResults("fake", stages, [asdict(A)], [], [make_row(A)]).write(folder)
    return json.loads((folder / RESULTS_FILE).read_text())


@pytest.mark.fault("A12")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("rows", x) for x in ({}, "abc", [1], [{}])),
        *(("stages", x) for x in (None, ["a"], [{"name": 1, "about": "", "jobs": 1, "done": 1}])),
        *(("references", x) for x in ("ab", ["ab"], [{"head": "a", "loss": "b"}])),
        *(("failed", x) for x in ([{"job": "a"}], "x")),
        ("name", 7),
    ],
)
def test_an_entry_of_another_kind_is_named(tmp_path: Path, key: str, value: object) -> None:
    (tmp_path / RESULTS_FILE).write_text(json.dumps(written(tmp_path) | {key: value}))
    with pytest.raises(InputError, match=rf"results\.json' has no valid '{key}'"):
        read_results(tmp_path)


@pytest.mark.fault("A12")
@pytest.mark.parametrize(
    ("key", "value"),
    [("outcomes", "SSX"), ("outcomes", "EE"), ("success", "much"), ("seed", None), ("interval", [0.1]), ("task", 1)],
)
def test_a_row_of_another_kind_is_refused(tmp_path: Path, key: str, value: object) -> None:
    content = written(tmp_path)
    content["rows"][0][key] = value
    (tmp_path / RESULTS_FILE).write_text(json.dumps(content))
    with pytest.raises(InputError, match="has no valid 'rows'"):
        read_results(tmp_path)


def test_what_is_sound_comes_back(tmp_path: Path) -> None:
    (tmp_path / RESULTS_FILE).write_text(json.dumps(written(tmp_path) | {"more": "of a later version"}))
    assert read_results(tmp_path).rows == [make_row(A)]
