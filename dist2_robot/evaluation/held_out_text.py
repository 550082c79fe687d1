"""What comparing scores on held-out episodes found, as tables of text."""

from collections.abc import Mapping, Sequence
from typing import Any

from dist2_robot.evaluation.compare import columns, format_p
from dist2_robot.evaluation.held_out_compare import COMPARED
from dist2_robot.evaluation.held_out_table import format_share

UNITS = "error and CRPS in shares of the standard deviation, negative log likelihood in nats a number"


def format_held_out_comparison(compared: Mapping[str, Any]) -> str:
    """Return what `compare_held_out` or `compare_held_out_methods` found as text for a terminal."""
    scores, differences = held_out_tables(compared)
    lines = [f"held-out episodes, {UNITS}:", *columns(scores)]
    lines += [f"{row['name']}: {row['note']}" for row in compared["rows"] if row.get("note")]
    if differences:
        lines += ["", f"against {compared['baseline']}, paired by {compared['by']}, with 95 % intervals:"]
        lines += columns(differences)
    lines += [f"not compared: {entry['note']}" for entry in compared["differences"] if "note" in entry]
    lines += [f"{entry['name']}: {entry['remark']}" for entry in compared["differences"] if "remark" in entry]
    return "\n".join(lines)


def held_out_tables(compared: Mapping[str, Any]) -> tuple[list[list[str]], list[list[str]]]:
    """Return scores and differences, their headers first; no differences without any."""
    of_methods = "runs" in compared["rows"][0]
    counted = ["runs"] if of_methods else ["episodes", "chunks", "decoding"]
    header = ["run", "error [95 %]", "CRPS [95 %]", "nats [95 %]", "in 50 %", "in 90 %", *counted]
    scores = [["method", *header[1:]] if of_methods else header]
    for row in compared["rows"]:
        cells = [_scored(row, score) for score in COMPARED]
        cells += [_percent(row["coverage_50"]), _percent(row["coverage_90"])]
        named = [row["runs"]] if of_methods else [row["episodes"], row["frames"], row["decoding"] or "-"]
        scores.append([row["name"], *cells, *map(str, named)])
    paired = [entry for entry in compared["differences"] if "scores" in entry]
    differences = [["", *COMPARED.values(), "n"]] if paired else []
    for entry in paired:
        cells = [_changed(entry["scores"].get(score), is_share=score != "nll") for score in COMPARED]
        differences.append([entry["name"], *cells, str(entry["n"])])
    return scores, differences


def _scored(row: Mapping[str, Any], score: str) -> str:
    return f"{format_share(row[score])}{_bounds(row[f'{score}_interval'])}"


def _changed(compared: Mapping[str, Any] | None, *, is_share: bool) -> str:
    if compared is None:
        return "-"
    relative = compared["relative"]  # of a logarithm there is no such thing
    share = f" ({100 * relative:+.1f} %)" if is_share and relative is not None else ""
    p = f", p {format_p(compared['p_value'])}" if compared["interval"] else ""
    return f"{compared['difference']:+.3f}{_bounds(compared['interval'], '+')}{share}{p}"


def _bounds(interval: Sequence[float] | None, sign: str = "") -> str:
    return f" [{interval[0]:{sign}.3f}, {interval[1]:{sign}.3f}]" if interval else ""


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"
