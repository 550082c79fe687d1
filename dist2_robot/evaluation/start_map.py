"""Where episodes started that succeeded, and where those that failed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dist2_robot.evaluation.run_files import RunFiles
from dist2_robot.evaluation.style import MUTED, SERIES, legend_outside, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEATURE = "observation.environment_state"
MAX_PANELS = 3
PASSED_OVER = ("previous_", "hand_")
OUTCOMES = {"success": (SERIES[2], "o"), "failure": (SERIES[1], "x"), "error": (MUTED, "s")}


def start_map_figure(run: RunFiles) -> "Figure | None":
    """Draw places seen from above, x against y, of the things that do not always start alike; None without any."""
    from matplotlib.figure import Figure

    episodes = [episode for episode in run.results.get("per_episode", []) if FEATURE in episode.get("start", {})]
    names = (run.results.get("observation_names") or {}).get(FEATURE, [])
    pairs = moving_places(names, episodes)[:MAX_PANELS]
    if not pairs:
        return None
    figure = Figure(figsize=(2.9 * len(pairs) + 0.3, 3.1))
    figure.suptitle(short(run.name), x=0.02, ha="left", fontsize=9.5)
    for axes, (thing, x, y) in zip(figure.subplots(1, len(pairs), squeeze=False).flat, pairs, strict=True):
        for outcome, (color, marker) in OUTCOMES.items():
            there = np.array([e["start"][FEATURE] for e in episodes if e["outcome"] == outcome])
            if len(there):
                axes.scatter(
                    there[:, x], there[:, y], color=color, marker=marker, s=22, label=f"{outcome} {len(there)}"
                )
        axes.set_title(thing)
        axes.set_xlabel("x")
        axes.set_ylabel("y")
        axes.set_aspect("equal", adjustable="datalim")
    legend_outside(figure, figure.axes[0], loc="outside lower center")
    return figure


def moving_places(names: Sequence[str], episodes: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, int]]:
    """Return thing, column of x and column of y of all places that differ between episodes."""
    if not names or len(episodes) < 2:
        return []
    starts = np.array([episode["start"][FEATURE] for episode in episodes])  # (N, S)
    if starts.shape[1] != len(names):
        return []
    column = {name: i for i, name in enumerate(names)}
    things = [name.removesuffix("_x") for name in names if name.endswith("_x") and not name.startswith(PASSED_OVER)]
    places = [(thing, column[f"{thing}_x"], column[f"{thing}_y"]) for thing in things if f"{thing}_y" in column]
    return [place for place in places if np.ptp(starts[:, place[1:]], axis=0).max() > 1e-3]
