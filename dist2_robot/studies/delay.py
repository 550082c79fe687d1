"""What late chunks cost, and what helps: tables and picture of evaluations with delays."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dist2_robot.evaluation.compare import format_rate
from dist2_robot.evaluation.style import STYLE, SURFACE, series_color, series_marker
from dist2_robot.rollouts.delay import STRATEGIES

ABOUT = {
    "prefix": "told what it will do until then, goes on from it",
    "blind": "not told; takes over at the step of the present moment",
    "naive": "takes over from its first step on",
    "waiting": "the arm keeps still until the chunk is there",
}
DPI = 130


def delay_row(results: Mapping[str, Any], rate_hz: float) -> dict[str, Any]:
    """Return what one evaluation with a delay found, as plain values."""
    delay = results["delay"]
    taken = [each["success_step"] for each in results["per_episode"] if each["success_step"] is not None]
    return {
        "strategy": delay["strategy"],
        "delay_steps": delay["steps"],
        "delay_ms": round(1000 * delay["steps"] / rate_hz),
        "execute": delay["execute"],
        "success_rate": results["success_rate"],
        "success_interval": results["success_interval"],
        "episodes": results["episodes"],
        "errors": results["errors"],
        "mean_success_s": float(np.mean(taken)) / rate_hz if taken else None,
        "jump": delay["jump"],
        "jump_95": delay["jump_95"],
        "move": delay["move"],
        "successes": [each["outcome"] == "success" for each in results["per_episode"]],
        "seeds": [each["seed"] for each in results["per_episode"]],
    }


def pooled(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return several trainings' rows of one strategy and delay as one, every episode alike."""
    from dist2_robot.evaluation.intervals import wilson_interval

    successes = [success for row in rows for success in row["successes"]]
    means = {
        name: float(np.mean(values)) if (values := [row[name] for row in rows if row[name] is not None]) else None
        for name in ("mean_success_s", "jump", "jump_95", "move")
    }
    return {
        **rows[0],
        **means,
        "successes": successes,
        "episodes": len(successes),
        "errors": sum(row["errors"] for row in rows),
        "success_rate": float(np.mean(successes)),
        "success_interval": wilson_interval(sum(successes), len(successes)),
    }


def delay_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a Markdown table, one line a delay and strategy."""
    lines = [
        "| delay | strategy | success | mean time to success | jump where chunks change (95 %) | usual step |",
        "|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: (row["delay_ms"], STRATEGIES.index(row["strategy"]))):
        name = "any" if row["delay_ms"] == 0 else f"{row['strategy']}: {ABOUT[row['strategy']]}"
        rate = format_rate(row["success_rate"], row["success_interval"])
        jump = "-" if row["jump"] is None else f"{row['jump']:.2f} ({row['jump_95']:.2f})"
        taken = "-" if row["mean_success_s"] is None else f"{row['mean_success_s']:.2f} s"
        lines.append(f"| {row['delay_ms']} ms | {name} | {rate} | {taken} | {jump} | {row['move']:.2f} |")
    return "\n".join(lines)


def write_delay_picture(rows: Sequence[Mapping[str, Any]], path: Path, title: str) -> Path:
    """Write a PNG: success, time to success and jumps against the delay, one line a strategy."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 3.3), facecolor=SURFACE)
        success, taken, jump = figure.subplots(1, 3)
        for number, strategy in enumerate(STRATEGIES):
            line = [row for row in rows if row["strategy"] == strategy or row["delay_ms"] == 0]
            line = sorted({row["delay_ms"]: row for row in line}.values(), key=lambda row: row["delay_ms"])
            if all(row["delay_ms"] == 0 for row in line):
                continue
            x = [row["delay_ms"] + 6 * (number - 1.5) for row in line]
            rates = [row["success_rate"] for row in line]
            low, high = zip(*(row["success_interval"] for row in line), strict=True)
            bounds = [np.subtract(rates, low), np.subtract(high, rates)]
            look = {"color": series_color(number), "marker": series_marker(number), "markersize": 4.5}
            success.errorbar(x, rates, yerr=bounds, label=strategy, elinewidth=1.0, **look)
            taken.plot(x, [row["mean_success_s"] for row in line], **look)
            jump.plot(x, [row["jump"] for row in line], **look)
        success.set_ylim(-0.03, 1.03)
        success.set_title("Success")
        taken.set_title("Mean time to success (s)")
        taken.set_ylim(bottom=0)
        jump.set_title("Jump at a new chunk (tolerances)")
        jump.set_ylim(bottom=0)
        taken.set_xlabel("from observation to answer (ms)")
        figure.suptitle(title, fontsize=9.5)
        figure.legend(*success.get_legend_handles_labels(), loc="outside lower center", ncols=4)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI, facecolor=SURFACE)
    return path
