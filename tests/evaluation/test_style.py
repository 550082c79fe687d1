"""What all figures share: their text is shown as it is meant."""

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from dist2_robot.evaluation.style import STYLE, as_svg, log_scale


@pytest.mark.parametrize(("low", "high", "shown"), [(1, 2e5, "10,000"), (2e-4, 3, "0.001"), (2, 7, "3"), (1, 1, "1")])
def test_a_logarithmic_axis_writes_its_numbers_out(low, high, shown):
    with mpl.rc_context(STYLE):
        figure = Figure()
        axes = figure.add_subplot()
        axes.plot([low, high], [low, high])
        log_scale(axes, "x", "y")
        svg = as_svg(figure, "a line")
    assert svg.count(f">{shown}<") == 2


def test_a_name_with_a_dollar_is_shown_as_it_is():
    with mpl.rc_context(STYLE):
        figure = Figure()
        figure.add_subplot().set_title("costs $5 or $x^2$")
        assert "costs $5 or $x^2$" in as_svg(figure, "a title")
