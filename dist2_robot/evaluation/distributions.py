"""What the loss asked for and what the policy predicts: probabilities over token values, in physical units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dist2_robot.actions.units import in_unit
from dist2_robot.evaluation.figures import new_figure
from dist2_robot.evaluation.run_files import RunFiles
from dist2_robot.evaluation.style import INK, MUTED, series_color, series_marker, short, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_STATES = 6
SHOWN_MASS = 0.9  # of every curve is inside the shown range of values
LEAST_TOKENS = 9  # of the range, to either side of the truth, is always shown
ONE_HOT = 0.95  # a target with such a peak would flatten everything else


@dataclass(frozen=True)
class StateExample:
    """One held-out state and what each run makes of it (None where a run has no such example)."""

    dimension: str
    unit: str
    step: int
    truth: float
    by_run: tuple[Mapping[str, Any] | None, ...]

    def limits(self) -> tuple[tuple[float, float], float]:
        """Return the range of values and the largest probability to show, the same for all runs."""
        lows, highs, peaks = [self.truth], [self.truth], [1e-3]
        for values, target, predicted in (_sorted_curves(example) for example in self.by_run if example):
            near = np.searchsorted(values, self.truth) + np.array([-LEAST_TOKENS, LEAST_TOKENS])
            lows.append(values[max(0, near[0])])
            highs.append(values[min(len(values) - 1, near[1])])
            for curve in (target, predicted):
                low, high = _mass_range(values, curve)
                lows.append(low)
                highs.append(high)
            peaks += [curve.max() for curve in (target, predicted) if curve.max() < ONE_HOT]
        margin = 0.03 * (max(highs) - min(lows) or 1.0)
        return (float(min(lows) - margin), float(max(highs) + margin)), float(1.25 * max(peaks))


def state_examples(runs: Sequence[RunFiles]) -> list[StateExample]:
    """Return the states to show: those of the first run that has any, with other dimensions first."""
    first = next((run for run in runs if run.examples), None)
    if first is None:
        return []
    seen: dict[str, int] = {}
    ranks = []
    for example in first.examples:
        seen[example["dimension"]] = seen.get(example["dimension"], 0) + 1
        ranks.append(seen[example["dimension"]])
    chosen = sorted(range(len(ranks)), key=lambda index: (ranks[index], index))[:MAX_STATES]
    examples = [first.examples[index] for index in sorted(chosen)]
    return [
        StateExample(
            example["dimension"],
            example["unit"],
            int(example["step"]),
            float(example["truth"]),
            tuple(_same_state(run, example) for run in runs),
        )
        for example in examples
    ]


def draw_distribution(axes: "Axes", state: StateExample, index: int) -> None:
    """Draw one run's prediction (filled), its training target (line), the truth and the decoded action."""
    (low, high), top = state.limits()
    example = state.by_run[index]
    axes.set_xlim(low, high)
    axes.set_ylim(0, top)
    axes.set_xlabel(with_unit(state.dimension, state.unit))
    axes.set_ylabel("probability per token")
    axes.axvline(state.truth, color=INK, linewidth=1, linestyle=(0, (4, 2)), label="truth (one-hot)", zorder=1)
    axes.locator_params(nbins=5)
    if example is None:
        axes.text(0.5, 0.5, "no such example", transform=axes.transAxes, color=MUTED, ha="center", va="center")
        return
    values, target, predicted = _sorted_curves(example)
    color = series_color(index)
    axes.stairs(predicted, _edges(values), fill=True, color=color, alpha=0.55, label="predicted")
    if target.max() >= ONE_HOT:
        axes.vlines(values, 0, target, color=INK, linewidth=1.6, label="target of the loss")
    else:
        mark = "." if np.count_nonzero((values >= low) & (values <= high)) <= 60 else ""
        axes.plot(values, target, color=INK, linewidth=1.1, marker=mark, markersize=3.5, label="target of the loss")
    axes.plot(
        [example["decoded"]], [0.965 * top], marker=series_marker(index), markersize=7, color=color, linestyle="none",
        label="decoded", clip_on=False,
    )  # fmt: skip


def distribution_figure(state: StateExample, index: int, name: str) -> "Figure":
    """Draw one panel of the grid of states by runs."""
    figure, axes = new_figure(3.7, 2.5)
    draw_distribution(axes, state, index)
    axes.set_title(short(name))
    return figure


def caption(state: StateExample, index: int) -> str:
    """Say in numbers how far off a prediction is: the decoded action, and its probability mass on average."""
    example = state.by_run[index]
    if example is None:
        return ""
    values, _, predicted = _sorted_curves(example)
    mean_distance = float(np.abs(values - state.truth) @ (predicted / predicted.sum()))
    decoded_error = abs(example["decoded"] - state.truth)
    off, away = (_in_unit(distance, state.unit) for distance in (decoded_error, mean_distance))
    return f"decoded {off} off; probability mass {away} away on average"


def _in_unit(distance: float, unit: str) -> str:
    if unit == "m":
        return f"{1000 * distance:.2g} mm"
    return in_unit(f"{distance:.2g}", unit)


def _same_state(run: RunFiles, wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Runs on other data, or with other seeds, have other states: those cannot stand in the same row."""
    for example in run.examples:
        same_place = example["dimension"] == wanted["dimension"] and example["step"] == wanted["step"]
        if same_place and np.isclose(example["truth"], wanted["truth"], rtol=1e-5, atol=1e-7):
            return example
    return None


def _sorted_curves(example: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values, target, predicted = (np.asarray(example[key], dtype=float) for key in ("values", "target", "predicted"))
    order = np.argsort(values, kind="stable")
    return values[order], target[order], predicted[order]


def _mass_range(values: np.ndarray, curve: np.ndarray) -> tuple[float, float]:
    cumulative = np.cumsum(curve) / curve.sum()
    tail = (1 - SHOWN_MASS) / 2
    low, high = np.searchsorted(cumulative, [tail, 1 - tail])
    return float(values[low]), float(values[min(high, len(values) - 1)])


def _edges(values: np.ndarray) -> np.ndarray:
    """Bounds of the bins around sorted values: half-way to the neighbours."""
    if len(values) == 1:
        return values[0] + np.array([-0.5, 0.5])
    middles = (values[1:] + values[:-1]) / 2
    return np.concatenate([[2 * values[0] - middles[0]], middles, [2 * values[-1] - middles[-1]]])
