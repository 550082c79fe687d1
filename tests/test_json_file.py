"""What a JSON file may hold, so that nothing stumbles over it later."""

import os
from pathlib import Path

import pytest

from dist2_robot.json_file import parse_json, read_json, read_json_lines

pytestmark = pytest.mark.fault("A12")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1" + "0" * 400, "more than 64 bits"),
        ('{"a": [1' + "0" * 400 + "]}", "more than 64 bits"),
        ('{"a": "\\ud800"}', "half a letter"),
        ('{"\\udfff": 1}', "half a letter"),
        ("[" * 65 + "]" * 65, "nested too deep"),
        ("[" * 10**5, "nested too deep"),
        (b"\xff{}", "decode"),
    ],
)
def test_what_arrays_printers_and_walks_stumble_over_is_refused(text: str | bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_json(text)


def test_what_a_run_writes_is_read() -> None:
    assert parse_json('{"a": [1, 2.5, null, true], "é": -9223372036854775808}') == {
        "a": [1, 2.5, None, True],
        "é": -(2**63),
    }


@pytest.mark.fault("A8")
def test_a_pipe_is_no_json_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")
    with pytest.raises(ValueError, match="no regular file"):
        read_json(tmp_path / "x.json")
    with pytest.raises(ValueError, match="no regular file"):
        list(read_json_lines(tmp_path / "x.json"))


def test_lines_are_numbered_and_one_that_is_no_json_is_told_not_raised(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n\nhalf {\n[2]\n')
    first, second, third = read_json_lines(path)
    assert first == (1, {"a": 1})
    assert second[0] == 3
    assert isinstance(second[1], ValueError)
    assert third == (4, [2])


@pytest.mark.fault("A8")
def test_an_endless_file_of_lines_is_not_read_on(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n' * 100)
    with pytest.raises(ValueError, match="more than"):
        list(read_json_lines(path, at_most=500))
