"""YAML of anybody: what it holds, or in one line why it is not read."""

import pytest

from dist2_robot.yaml_file import MAX_BYTES, parse_yaml


def test_numbers_texts_lists_and_tables_are_read() -> None:
    assert parse_yaml("a: [1, 2.5, x]\nb: {c: null, d: true}\n") == {"a": [1, 2.5, "x"], "b": {"c": None, "d": True}}
    assert parse_yaml(b"") is None


@pytest.mark.fault("A12")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 60_000, "nested too deep"),
        ("- " * 5000, "nested too deep"),
        ("".join(f"{' ' * i}a:\n" for i in range(200)), "nested too deep"),
        ("x" * (MAX_BYTES + 1), "more than 64 KiB"),
        ("a: &x [1]\nb: *x\n", "anchors"),
        ("a: !!python/object/apply:os.system ['id']\n", "tags"),
        ("a: 1\nb: 2\na: 3\n", "'a' is there twice"),
        ("a: [1\n", "expected"),
        ("? [a]\n: 1\n", "unhashable"),
        ("a: 2001-99-99\n", "month"),
        ("a: 1" + ":1" * 20_000 + "\n", "a number of"),
        ("a: 0x" + "f" * 50_000 + "\n", "a number of"),
        (b"a: \xff\n", "unacceptable character"),
        ("a: \x07\n", "special characters"),
    ],
)
def test_others_are_refused_in_one_line(text: str | bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)
