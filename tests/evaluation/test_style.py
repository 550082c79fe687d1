"""What all figures share: their text is shown as it is meant."""

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from dist2_robot.evaluation.style import LONGEST_LABEL, STYLE, as_svg, legend_outside, log_scale, short


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


@pytest.mark.parametrize("length", [1, LONGEST_LABEL])
def test_a_legend_is_as_wide_as_its_figure_at_most(length):
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.7, 2.9))
        axes = figure.add_subplot()
        for name in "abcd":
            axes.plot([0, 1], label=name * length)
        legend_outside(figure, axes)
        figure.canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert len(legend.get_texts()) == 4


def test_long_names_that_differ_at_one_end_are_told_apart():
    names = [
        "/a/long/folder/of/many/runs/one",
        "/a/long/folder/of/many/runs/two",
        "a long name, the first of it is short",
    ]
    assert len({short(name) for name in names}) == 3
    assert max(len(short(name)) for name in names) == LONGEST_LABEL
    assert short("a b") == "a b"
