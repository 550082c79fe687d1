"""Numbers are told with their unit, if anybody knows it."""

import pytest

from dist2_robot.actions.units import in_unit, shown_unit
from dist2_robot.evaluation.held_out_table import format_held_out
from dist2_robot.evaluation.style import with_unit
from tests.evaluation.synthetic_runs import make_held_out


@pytest.mark.parametrize(("unit", "number", "label"), [("cm", "3 cm", "x (cm)"), ("?", "3", "x"), ("", "3", "x")])
def test_an_unknown_unit_leaves_a_plain_number(unit, number, label):
    assert in_unit("3", unit) == number
    assert with_unit("x", unit) == label
    assert "?" not in shown_unit(unit)


def test_the_table_of_errors_has_no_question_mark():
    content = make_held_out()
    content["dimensions"][0]["unit"] = "?"
    text = format_held_out(content)
    assert "?" not in text
    assert "0.004  " in text  # 0.2 of a standard deviation of 0.02, without a unit
    assert " rad" in text
