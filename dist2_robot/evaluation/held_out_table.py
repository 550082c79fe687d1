"""Scores on held-out episodes as text for a terminal."""

from collections.abc import Mapping
from typing import Any

from dist2_robot.actions.units import in_unit
from dist2_robot.evaluation.compare import columns, format_number

FEW_EPISODES = 5
MOST_STEPS = 8  # of a chunk that the text shows
LEGEND = (
    "/std: as a share of the standard deviation of the recorded actions; in 50 %, in 90 %: truths inside of these "
    "central intervals; nats: negative log likelihood"
)


def dimension_rows(content: Mapping[str, Any]) -> list[list[str]]:
    """Return the table of held_out.json: a header, a row a dimension, and a row for all of them."""
    rows = [["dimension", "error", "error/std", "CRPS", "CRPS/std", "in 50 %", "in 90 %", "nats"]]
    for dimension in content["dimensions"]:
        std = None if dimension["stands_still"] else dimension["std"]
        shares = [_over(dimension[score], std) for score in ("mae", "crps")]
        errors = [_told(dimension["mae"], dimension["unit"]), format_share(shares[0])]
        errors += [_told(dimension["crps"], dimension["unit"]), format_share(shares[1])]
        rows.append([dimension["name"], *errors, *_of_distribution(dimension)])
    overall = content["overall"]
    shares = [format_share(overall[score]) for score in ("mae", "crps")]
    rows.append(["all", "", shares[0], "", shares[1], *_of_distribution(overall)])
    return rows


def format_held_out(content: Mapping[str, Any]) -> str:
    """Return what held_out.json holds: a table by dimension, the error by step of the chunk, and notes."""
    decoding = f", decoding={content['decoding']}" if content["decoding"] else ""
    lines = [
        f"held-out episodes: {content['episodes']} ({content['frames']:,} chunks of {content['horizon']} steps"
        f"{decoding})",
        *columns([[f"  {row[0]}", *row[1:]] for row in dimension_rows(content)]),
        *(f"  {line}" for line in step_lines(content)),
        f"  ({LEGEND})",
        *(f"  {note}" for note in notes(content)),
    ]
    return "\n".join(lines)


def step_lines(content: Mapping[str, Any]) -> list[str]:
    """Return how error and CRPS grow along the chunk, at a few of its steps."""
    count = len(content["mae_by_step"])
    shown = sorted({round(i * (count - 1) / (MOST_STEPS - 1)) for i in range(MOST_STEPS)}) if count > 1 else []
    names = {"error/std": "mae_by_step", "CRPS/std": "crps_by_step"}
    return [
        f"{name} by step: " + ", ".join(f"{step + 1}: {format_share(content[entry][step])}" for step in shown)
        for name, entry in names.items()
        if shown and content[entry] is not None
    ]


def notes(content: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know of the scores."""
    found = [content["note"]] if content.get("note") else []
    still = [dimension["name"] for dimension in content["dimensions"] if dimension["stands_still"]]
    if still:
        found.append(f"standing still in these episodes, and so without a share of it: {', '.join(still)}")
    if content["episodes"] < FEW_EPISODES:
        some = "one episode" if content["episodes"] == 1 else f"{content['episodes']} episodes"
        found.append(f"{some} held out: figures of so few say little, hold out more with dataset.validation=0.3")
    beyond = [d for d in content["dimensions"] if d["outside_limits"]]
    if beyond:
        told = ", ".join(f"{d['name']} {100 * d['outside_limits']:.2g} %" for d in beyond)
        found.append(f"truths beyond the limits of the actions, which no token stands for: {told}")
    return found


def format_share(value: float | None) -> str:
    """Return a share of the standard deviation, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def _of_distribution(scores: Mapping[str, Any]) -> list[str]:
    inside = ["-" if scores[name] is None else f"{100 * scores[name]:.0f} %" for name in ("coverage_50", "coverage_90")]
    return [*inside, "-" if scores["nll"] is None else f"{scores['nll']:.2f}"]


def _told(value: float | None, unit: str) -> str:
    return "-" if value is None else in_unit(format_number(value), unit)


def _over(value: float | None, std: float | None) -> float | None:
    return None if value is None or not std else value / std
