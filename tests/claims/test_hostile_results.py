"""results.json of a claim that anyone may have changed: drawn, or refused by its name and the entry."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from dist2_robot.claims.results import gather, read_claim
from dist2_robot.errors import InputError
from tests.claims.fake_trials import make_claim


def content() -> dict:
    claim = make_claim()
    found = {trial.name: {"error": 1.0} for trial in claim.trials}
    return json.loads(json.dumps({"kind": "claim", **asdict(gather(claim, found, {}))}))


@pytest.mark.fault("A12")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("published", x) for x in (1, {}, {"setting": "", "reference": 0, "subject": 1}, {"/etc/passwd": 1})),
        *(("measures", x) for x in ([], "x", [{"name": "error"}])),
        *(("rows", x) for x in ({}, [1], [{"part": "core", "method": "a", "size": 1, "seed": 0, "error": "much"}])),
        *(("parts", x) for x in ([], {"core": 1}, {"core": {"about": "", "trials": "1", "done": 1}})),
        *(("subjects", x) for x in ([], [1], "dist2")),
        *(("primary_size", None), ("settings", {"core/a": 1}), ("failed", [{}]), ("name", [])),
    ],
)
def test_an_entry_of_another_kind_is_named(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content() | {key: value}))
    with pytest.raises(InputError, match=rf"results\.json' has no valid '{key}'"):
        read_claim(path)


def test_what_is_sound_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content() | {"more": 1}))
    assert len(read_claim(path).rows) == len(make_claim().trials)
