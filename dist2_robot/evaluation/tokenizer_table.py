"""Tokenizers side by side, as text for a terminal."""

from collections.abc import Mapping, Sequence

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.evaluation.compare import format_number
from dist2_robot.evaluation.style import with_unit
from dist2_robot.evaluation.tokenizer_report import TokenizerReport, frontier

HEADINGS = (
    ("", "", "", "tokens", "tokens", "", "bits", "error", "error", "error", "tokens", "perplex-", "in edge", "encode",
     "decode"),
    ("tokenizer", "kind", "tokens", "used", "/ s", "vocab", "/ s", "mean", "99 %", "max", "ever used", "ity / V",
     "bins", "us", "us"),
)  # fmt: skip
LEGEND = (
    "Errors of a round trip on held-out actions, in tolerances; * no other has both fewer tokens and a smaller error.",
    "numbers have an order and distances, codes have distances, symbols have neither (losses: see dist2-train --help).",
    "Encoding is timed in batches of 64, per chunk; decoding one chunk at a time.",
)


def format_tokenizers(reports: Sequence[TokenizerReport], spec: ActionSpec, notes: Mapping[str, str]) -> str:
    """Return two tables, all figures and the errors of each dimension, and why some tokenizers are not in them.

    Args:
        reports: In the order of the rows.
        spec: Names and units of the dimensions.
        notes: Tokenizer -> why it was not measured.
    """
    best = frontier(reports)
    names = [f"{'*' if report in best else ' '} {report.label}" for report in reports]
    lines = columns([*HEADINGS, *([name, *_figures(report)] for name, report in zip(names, reports, strict=True))], 2)
    lines += ["", *LEGEND, "", "mean error of each dimension, in its unit (in tolerances):"]
    head = ["  tokenizer", *(with_unit(d.name, d.unit) for d in spec.moving.dimensions)]
    rows = [
        [
            name,
            *(
                f"{report.error_by_dimension[d]:.3g} ({report.tolerances_by_dimension[d]:.2f})"
                for d in report.error_by_dimension
            ),
        ]
        for name, report in zip(names, reports, strict=True)
    ]
    lines += columns([head, *rows], 1)
    lines += ["", *(f"{name}: not measured, {note}" for name, note in notes.items())] if notes else []
    return "\n".join(lines)


def columns(rows: Sequence[Sequence[str]], headings: int) -> list[str]:
    """Return rows as lines, the first column to the left and all others to the right, with a rule below headings."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*lines[:headings], "─" * (sum(widths) + 2 * len(widths) - 2), *lines[headings:]]


def _figures(report: TokenizerReport) -> list[str]:
    return [
        report.kind,
        str(report.tokens),
        f"{report.tokens_used:.3g}",
        f"{report.tokens_per_s:,.0f}",
        f"{report.vocab_size:,}",
        f"{report.bits_per_s:,.0f}",
        *(f"{report.error[key]:.2f}" for key in ("mean", "p99", "max")),
        f"{100 * report.occupied:.0f} %",
        f"{100 * report.perplexity:.0f} %",
        "-" if report.saturated is None else f"{100 * report.saturated:.1f} %",
        format_number(report.encode_us),
        format_number(report.decode_us),
    ]
