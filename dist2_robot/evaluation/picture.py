"""One picture that says what this is about: success rates, and what was learned."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.evaluation.compare import summary_row
from dist2_robot.evaluation.distributions import draw_distribution, state_examples
from dist2_robot.evaluation.figures import draw_success
from dist2_robot.evaluation.run_files import RunFiles
from dist2_robot.evaluation.style import STYLE, SURFACE, series_color, short

WIDTH_PX, HEIGHT_PX, DPI = 1200, 460, 120
MOST_PANELS = 2
MARGINS = {"figure.constrained_layout.w_pad": 0.12, "figure.constrained_layout.h_pad": 0.1}  # inches


def write_picture(runs: Sequence[RunFiles], path: Path) -> Path:
    """Write a PNG: left the success rates, right one held-out state as the first and the last run predict it.

    Raises:
        InputError: The runs have neither evaluations nor examples.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = [summary_row(run.name, run.results) for run in runs]
    evaluated = any(run.results for run in runs)
    state = next(iter(state_examples(runs)), None)
    if not evaluated and state is None:
        raise InputError("nothing to draw: the runs have neither an evaluation nor examples; run dist2-eval first")
    shown = [] if state is None else [index for index, example in enumerate(state.by_run) if example]
    shown = shown if len(shown) <= MOST_PANELS else [shown[0], shown[-1]]
    style: dict[Any, Any] = STYLE | MARGINS
    with mpl.rc_context(style):
        figure = Figure(figsize=(WIDTH_PX / DPI, HEIGHT_PX / DPI), facecolor=SURFACE)
        left = right = figure
        if evaluated and state:
            left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[1.0, 1.25])[0]
        if evaluated:
            axes = left.add_subplot()
            draw_success(axes, rows)
            axes.set_title("Success in simulation")
        if state is not None:
            panels = right.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
            for axes, index in zip(panels, shown, strict=True):
                draw_distribution(axes, state, index)
                axes.set_title(f"What {short(runs[index].name)} predicts", color=series_color(index))
                axes.label_outer()
            panels[0].legend(loc="upper right", fontsize=7.5)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI, facecolor=SURFACE)
    return path
