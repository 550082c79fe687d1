"""Does a claim hold? By a rule that was fixed before anything was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dist2_robot.claims.claim import CORE
from dist2_robot.claims.results import ClaimResults
from dist2_robot.evaluation.holm import holm
from dist2_robot.evaluation.paired_scores import PairedScores, compare_scores

LEVEL = 0.05
HOLDS, IN_PART, FAILS, OPEN = "holds", "holds in part", "does not hold", "cannot be told"
RULE = (
    f"*{HOLDS}*: better than the reference, and than every control (p < {LEVEL}, Holm's correction over the claims and "
    f"over the controls). *{IN_PART}*: better than the reference and not than every control. *{FAILS}*: worse than "
    "the reference, or the 95 % interval leaves out half the relative gain that the paper reports. "
    f"*{OPEN}*: all else."
)


@dataclass(frozen=True)
class Evidence:
    """The first measure at the primary size, of the first subject.

    Attributes:
        against_reference: Subject less reference; None where either is missing.
        against_controls: Subject less each control.
        is_error: Whether less is better.
    """

    against_reference: PairedScores | None
    against_controls: Mapping[str, PairedScores | None]
    is_error: bool

    @property
    def p_value(self) -> float:
        """Of the comparison with the reference; 1 where there is none."""
        return 1.0 if self.against_reference is None else self.against_reference.p_value


def evidence(results: ClaimResults) -> Evidence:
    """Return what the verdict on a claim rests on."""
    subject, measure, size = results.subjects[0], results.measures[0], results.primary_size

    def compare(other: str) -> PairedScores | None:
        return compare_scores(
            *(results.scores(CORE, method, size, measure.name) for method in (other, subject)),
        )

    controls = {control: compare(control) for control in results.controls}
    return Evidence(compare(results.reference), controls, measure.is_error)


def verdict(results: ClaimResults, p_value: float | None = None) -> str:
    """Return one of the four verdicts; see `RULE`.

    Args:
        results: Of the claim.
        p_value: Of the comparison with the reference, corrected over the claims; None for that of this claim alone.
    """
    found = evidence(results)
    gain = found.against_reference
    if gain is None:
        return OPEN
    p_value = gain.p_value if p_value is None else p_value
    if p_value < LEVEL:
        if not is_better(gain, found.is_error):
            return FAILS
        return HOLDS if _beats_all(list(found.against_controls.values()), found.is_error) else IN_PART
    if results.published is not None and gain.n > 1:
        half = results.published.relative_change / 2
        low, high = gain.relative_interval
        if low > half if found.is_error else high < half:
            return FAILS
    return OPEN


def is_better(comparison: PairedScores, is_error: bool) -> bool:
    """Return whether the second method of a comparison is the better one."""
    return (comparison.difference < 0) == is_error and comparison.difference != 0


def _beats_all(controls: Sequence[PairedScores | None], is_error: bool) -> bool:
    known = [control for control in controls if control is not None]
    corrected = holm([control.p_value for control in known])
    beaten = [is_better(one, is_error) and p < LEVEL for one, p in zip(known, corrected, strict=True)]
    return len(known) == len(controls) and all(beaten)
