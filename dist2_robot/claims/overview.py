"""``docs/claims.md``: one row a claim, from the results files that are there."""

from collections.abc import Sequence

from dist2_robot.claims.results import ClaimResults
from dist2_robot.claims.tables import number
from dist2_robot.claims.verdict import RULE, Evidence, evidence, verdict
from dist2_robot.evaluation.holm import holm
from dist2_robot.studies.table import NOTHING, Table, as_markdown

HEADER = ("claim", "paper", "ours", "relative [95 %]", "d", "p (Holm)", "verdict", "what we changed")
TEXT = (
    "What the paper on DIST2Loss (arXiv 2503.02379) reports, and what came of it here, at a size that two CPU cores "
    "can carry. Each row: the published setting against one-hot cross-entropy (or as the row says), at one measure and "
    "one size that were chosen beforehand (but for what a row says of its choice); d is Cohen's, of differences paired "
    "by seed; p is of the paired t-test, with Holm's correction over the rows. The pages have all other methods, "
    "controls, sizes and sweeps. Success of more robot policies against the number of demonstrations, with regression, "
    "ACT and diffusion: [peers](results/peers.md); all heads with all losses: [heads and "
    "losses](results/heads_and_losses.md)."
)


def overview(claims: Sequence[ClaimResults]) -> str:
    """Return the page of all claims."""
    found = [evidence(results) for results in claims]
    corrected = holm([one.p_value for one in found])
    rows = [_row(*entry) for entry in zip(claims, found, corrected, strict=True)]
    return as_markdown("The paper's claims, tried again", [Table("Verdicts", f"{TEXT}\n\n{RULE}", HEADER, rows)])


def _row(results: ClaimResults, found: Evidence, p_value: float) -> list[str]:
    paper, gain = results.published, found.against_reference
    told = f"{paper.reference:g} -> {paper.subject:g} ({paper.setting})" if paper else NOTHING
    ours = [NOTHING] * 4
    if gain is not None:
        low, high = (100 * bound for bound in gain.relative_interval)
        ours = [
            f"{number(gain.mean_a)} -> {number(gain.mean_b)}: {results.measures[0].about} {results.subjects[0]} "
            f"against {results.reference}, {results.primary_size} {results.size_name}, {gain.n} seeds",
            f"{100 * gain.relative:+.1f} % [{low:+.1f}, {high:+.1f}]",
            f"{gain.effect_size:+.2f}",
            number(p_value),
        ]
    link = f"[{results.name}](results/{results.name}.md): {results.about}"
    return [link, told, *ours, f"**{verdict(results, p_value)}**", " ".join(results.changed)]
