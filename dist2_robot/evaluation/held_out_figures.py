"""The plots of scores on held-out episodes: along the chunk, by dimension, and how far intervals can be trusted."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dist2_robot.evaluation.style import INK, MUTED, label_rows, legend_outside, series_color, series_marker, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPREAD = 0.5  # of a row, that its runs share
NOMINAL = {"coverage_50": 50, "coverage_90": 90}
ALL = "all"

# Name of a run, its place among all runs, which gives its colour, and the content of its held_out.json.
Scored = Sequence[tuple[str, int, Mapping[str, Any]]]


def step_figure(scored: Scored) -> "Figure":
    """Draw error (a line) and CRPS (dashed) against the step of the chunk."""
    figure, axes = _figure(2.9)
    for name, index, content in scored:
        for entry, line in (("mae_by_step", "-"), ("crps_by_step", (0, (4, 2)))):
            values = content[entry]
            is_same = entry == "crps_by_step" and values == content["mae_by_step"]  # of a point prediction
            if values is None or None in values or is_same:
                continue
            mark = series_marker(index) if len(values) <= 32 and line == "-" else ""
            label = short(name) if line == "-" else None
            steps = range(1, len(values) + 1)
            axes.plot(steps, values, linestyle=line, marker=mark, markersize=4, color=series_color(index), label=label)
    axes.plot([], [], color=MUTED, linestyle=(0, (4, 2)), label="CRPS")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step of the action chunk (actions ahead)")
    axes.set_ylabel("error / standard deviation")
    axes.locator_params(axis="x", integer=True)
    legend_outside(figure, axes)
    return figure


def dimension_figure(scored: Scored) -> "Figure":
    """Draw the error (filled) and the CRPS (open) of each dimension, as shares of its standard deviation."""
    names = _dimensions(scored)
    figure, axes = _figure(0.9 + 0.3 * len(names))
    for place, (name, index, content) in enumerate(scored):
        look = _look(index)
        for score, filled in (("mae", True), ("crps", False)):
            found = {d["name"]: _share(d, score) for d in content["dimensions"]}
            found[ALL] = content["overall"][score]
            values = [_number(found.get(each)) for each in names]
            face = look["color"] if filled else "none"
            label = short(name) if filled else None
            axes.plot(values, _rows(names, place, scored), linestyle="none", markerfacecolor=face, label=label, **look)
    axes.plot([], [], "o", color=MUTED, markerfacecolor="none", label="CRPS")
    label_rows(axes, names)
    axes.set_xlim(left=0)
    axes.set_xlabel("error / standard deviation")
    legend_outside(figure, axes)
    return figure


def coverage_figure(scored: Scored) -> "Figure | None":
    """Draw how many truths lie inside of the central 50 % (filled) and 90 % (open) intervals of each dimension."""
    known = [each for each in scored if each[2]["overall"]["coverage_50"] is not None]
    if not known:
        return None
    names = _dimensions(known)
    figure, axes = _figure(0.9 + 0.3 * len(names))
    for share in NOMINAL.values():
        axes.axvline(share, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
    for place, (name, index, content) in enumerate(known):
        look = _look(index)
        for score in NOMINAL:
            found = {d["name"]: d[score] for d in content["dimensions"]} | {ALL: content["overall"][score]}
            values = [100 * _number(found.get(each)) for each in names]
            face = look["color"] if score == "coverage_50" else "none"
            label = short(name) if score == "coverage_50" else None
            axes.plot(values, _rows(names, place, known), linestyle="none", markerfacecolor=face, label=label, **look)
    label_rows(axes, names)
    axes.set_xlim(-3, 103)
    axes.set_xticks([0, 25, 50, 75, 90, 100])
    axes.set_xlabel("truths inside of the 50 % (filled) and 90 % intervals (%)")
    legend_outside(figure, axes)
    return figure


def draw_scores(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the error of each run (filled) on its 95 % interval, and its CRPS (open)."""
    for index, row in enumerate(rows):
        look = _look(index)
        for score, shift, face in (("mae", -0.12, look["color"]), ("crps", 0.12, "none")):
            if row[score] is None:
                continue
            if row[f"{score}_interval"]:
                axes.plot(row[f"{score}_interval"], [index + shift] * 2, color=look["color"], linewidth=4, alpha=0.3)
            axes.plot(row[score], index + shift, markerfacecolor=face, **look)
    label_rows(axes, [row["name"] for row in rows])
    axes.set_xlim(left=0)
    axes.set_xlabel("error (filled) and CRPS, / standard deviation")


def draw_score_differences(axes: "Axes", differences: Sequence[Mapping[str, Any]], order: Sequence[str]) -> None:
    """Draw paired differences of error (filled) and CRPS (open) against one run, with 95 % intervals."""
    for row, entry in enumerate(differences):
        look = _look(order.index(entry["name"]))
        for score, shift, face in (("mae", -0.12, look["color"]), ("crps", 0.12, "none")):
            if (found := entry["scores"].get(score)) is None:
                continue
            if found["interval"]:
                axes.plot(found["interval"], [row + shift] * 2, color=look["color"], linewidth=4, alpha=0.3)
            axes.plot(found["difference"], row + shift, markerfacecolor=face, **look)
    axes.axvline(0, color=INK, linewidth=0.9)
    label_rows(axes, [entry["name"] for entry in differences])
    axes.set_xlabel(f"difference to {short(differences[0]['against'])},\n/ standard deviation")


def difference_figure(compared: Mapping[str, Any], order: Sequence[str]) -> "Figure | None":
    """Draw the paired differences that `compare_held_out` found, None without any; the order of runs tells colours."""
    paired = [entry for entry in compared["differences"] if "scores" in entry]
    if not paired:
        return None
    figure, axes = _figure(0.7 + 0.45 * len(paired))
    draw_score_differences(axes, paired, order)
    return figure


def _figure(height: float) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.7, height))
    return figure, figure.add_subplot()


def _dimensions(scored: Scored) -> list[str]:
    names = dict.fromkeys(d["name"] for _, _, content in scored for d in content["dimensions"])
    return [*names, ALL]


def _rows(names: Sequence[str], place: int, scored: Scored) -> np.ndarray:
    return np.arange(len(names)) + SPREAD * ((place + 0.5) / len(scored) - 0.5)


def _look(index: int) -> dict[str, Any]:
    return {"color": series_color(index), "marker": series_marker(index), "markersize": 5.5}


def _share(dimension: Mapping[str, Any], score: str) -> float | None:
    still = dimension["stands_still"] or dimension["std"] <= 0
    return None if still or dimension[score] is None else dimension[score] / dimension["std"]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
