"""The tables of a claim: every method at every size, what its subjects gain, and the sweeps."""

from collections.abc import Sequence

from dist2_robot.claims.claim import CORE, Measure
from dist2_robot.claims.results import ClaimResults
from dist2_robot.claims.verdict import LEVEL, evidence, is_better, verdict
from dist2_robot.evaluation.aggregate import mean_of_runs
from dist2_robot.evaluation.holm import holm
from dist2_robot.evaluation.paired_scores import PairedScores, compare_scores
from dist2_robot.studies.table import NOTHING, Table

MEANS = "Mean over seeds [95 %, bootstrap of the seeds]."
DIFFERENCES = (
    "Less the other method, paired by seed [95 %, Student's t]; d: Cohen's, of paired differences; p: paired t-test, "
    "two-sided; Holm: corrected over the rows of this table. Not Wilcoxon's test, whose p cannot fall below 1/16 with "
    f"five seeds. Holm < {LEVEL} is told in words."
)


def claim_tables(results: ClaimResults) -> list[Table]:
    """Return all tables, the answer first."""
    found = [_answer(results)]
    for measure in results.measures:
        found += [_means(results, part, measure) for part in results.parts if results.methods(part)]
        if measure is results.measures[0]:
            found.append(_comparisons(results, measure))
    found += [_settings(results)]
    if results.failed:
        rows = [[entry["trial"], entry["error"]] for entry in results.failed]
        found.append(Table("Without results", "", ["trial", "what was said"], rows))
    return [table for table in found if table.rows]


def number(value: float) -> str:
    """Return three significant digits."""
    return f"{value:.3g}"


def interval(low: float, high: float) -> str:
    """Return an interval in three significant digits."""
    return f"[{low:.3g}, {high:.3g}]"


def _answer(results: ClaimResults) -> Table:
    found, measure = evidence(results), results.measures[0]
    text = " ".join([results.about, *results.changed])
    rows = [
        ["verdict", f"{verdict(results)} (this claim alone, without a correction over the claims)"],
        ["decided by", f"{results.subjects[0]} less {results.reference}: {measure.about}"],
        ["where", f"{results.primary_size} {results.size_name}"],
        ["ours", _in_words(found.against_reference)],
    ]
    for control, comparison in found.against_controls.items():
        rows.append([f"less {control}", _in_words(comparison)])
    if results.published:
        paper = results.published
        told = f"{paper.reference:g} -> {paper.subject:g} ({100 * paper.relative_change:+.1f} %): {paper.setting}"
        rows.append(["paper", told])
    rows += [[f"{subject} over all sizes", _over_sizes(results, subject)] for subject in results.subjects]
    return Table("What was found", text, ["", ""], rows)


def _in_words(comparison: PairedScores | None) -> str:
    if comparison is None:
        return NOTHING
    low, high = (100 * bound for bound in comparison.relative_interval)
    return (
        f"{number(comparison.mean_a)} -> {number(comparison.mean_b)} ({100 * comparison.relative:+.1f} % "
        f"[{low:+.1f}, {high:+.1f}]), d {comparison.effect_size:+.2f}, p {number(comparison.p_value)}, "
        f"{comparison.n} seeds"
    )


def _over_sizes(results: ClaimResults, subject: str) -> str:
    """Say at which sizes a subject is better or worse than the reference, after correcting over the sizes."""
    measure = results.measures[0]
    compared = {
        size: compare_scores(
            results.scores(CORE, results.reference, size, measure.name),
            results.scores(CORE, subject, size, measure.name),
        )
        for size in results.sizes(CORE)
    }
    known = {size: comparison for size, comparison in compared.items() if comparison}
    sure = [p < LEVEL for p in holm([comparison.p_value for comparison in known.values()])]
    better, worse = [], []
    for (size, comparison), is_sure in zip(known.items(), sure, strict=True):
        if is_sure:
            (better if is_better(comparison, measure.is_error) else worse).append(str(size))
    told = [f"{what} at {', '.join(sizes)}" for what, sizes in (("better", better), ("worse", worse)) if sizes]
    outcome = "; ".join(told) or "neither better nor worse at any"
    return f"than {results.reference}: {outcome} (Holm over {len(known)} sizes)"


def _means(results: ClaimResults, part: str, measure: Measure) -> Table:
    entry, sizes = results.parts[part], results.sizes(part)
    rows = []
    for method in results.methods(part):
        scores = [list(results.scores(part, method, size, measure.name).values()) for size in sizes]
        rows.append([method, *map(_mean, scores), _counted(scores)])
    title = f"{part}: {measure.name}, {entry['done']} of {entry['trials']} trials"
    text = f"{entry['about']} {measure.about} Columns: {results.size_name}. {MEANS}"
    return Table(title, text, ["method", *map(str, sizes), "seeds"], [row for row in rows if row[-1] != "0"])


def _counted(scores: Sequence[Sequence[float]]) -> str:
    """Return how many seeds there are, of the sizes that have any."""
    counts = sorted({len(seeds) for seeds in scores if seeds}) or [0]
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"


def _mean(scores: Sequence[float]) -> str:
    if not scores:
        return NOTHING
    estimate = mean_of_runs(scores)
    return f"{number(estimate.value)} {interval(*estimate.interval)}"


def _comparisons(results: ClaimResults, measure: Measure) -> Table:
    """Compare subjects with the reference and the controls at every size."""
    compared = []
    for subject in results.subjects:
        for other in dict.fromkeys([results.reference, *results.controls]):
            for size in results.sizes(CORE):
                one, two = (results.scores(CORE, method, size, measure.name) for method in (other, subject))
                if other != subject and (comparison := compare_scores(one, two)) and comparison.n > 1:
                    compared.append((subject, other, size, comparison))
    corrected = holm([comparison.p_value for *_, comparison in compared])
    rows = []
    for (subject, other, size, comparison), p in zip(compared, corrected, strict=True):
        word = ("better" if is_better(comparison, measure.is_error) else "worse") if p < LEVEL else ""
        rows.append(
            [
                *(subject, other, str(size), f"{comparison.difference:+.3g} {interval(*comparison.interval)}"),
                *(f"{100 * comparison.relative:+.1f} %", f"{comparison.effect_size:+.2f}"),
                *(number(comparison.p_value), number(p), word),
            ]
        )
    header = ["subject", "less", results.size_name, "difference", "relative", "d", "p", "Holm", ""]
    return Table(f"Differences of {measure.name}", f"{measure.about} {DIFFERENCES}", header, rows)


def _settings(results: ClaimResults) -> Table:
    rows = [[key, ", ".join(f"{name}: {value}" for name, value in values.items())] for key, values in
            results.settings.items()]  # fmt: skip
    return Table("Settings", "Of the first trial of each method.", ["part/method", "settings"], rows)
