"""Tries a claim: its trials, one after the other in each worker, with what was done before left alone."""

import math
from pathlib import Path
from time import monotonic
from typing import Any

from dist2_robot.claims.claim import Claim
from dist2_robot.claims.results import ClaimResults, gather
from dist2_robot.claims.trial import Trial
from dist2_robot.progress import progress_bar
from dist2_robot.studies.job import Unit
from dist2_robot.studies.pool import Pool
from dist2_robot.studies.record import Failure, read_failure, read_record, write_failure
from dist2_robot.studies.results import RESULTS_FILE
from dist2_robot.studies.run import share

BETWEEN_WRITES_S = 60.0


def run_claim(
    claim: Claim, output: Path, *, workers: int, shard: tuple[int, int] = (0, 1), only: str | None = None
) -> ClaimResults:
    """Do the trials that are not done yet, the first ones first, and write results.json now and then.

    A failed trial is tried again by the next run and does not stop the others.

    Args:
        claim: What to try.
        output: Folder of everything.
        workers: How many trials at a time; 0 to do none and only read what was done.
        shard: This machine's number and the number of machines: trial i is for machine i modulo their number.
        only: Do only trials whose name contains this.

    Raises:
        InputError: Something was done with other settings.
    """
    mine = {trial.name for trial in share(claim.trials, shard) if only is None or only in trial.name}
    found, _ = _known(claim, output)
    todo = [trial for trial in claim.trials if trial.name in mine and trial.name not in found]
    written = monotonic()

    def on_end(unit: Unit, failure: Failure | None) -> None:
        nonlocal written
        assert isinstance(unit, Trial)
        if failure:
            write_failure(output, unit, failure)
        if monotonic() - written > BETWEEN_WRITES_S:
            gather(claim, *_known(claim, output)).write(output / RESULTS_FILE)
            written = monotonic()
        progress.update()

    if not workers:
        todo = []
    with Pool(workers) as pool, progress_bar(total=len(todo), unit="trial", disable=not workers) as progress:
        progress.set_description(claim.name)
        try:
            pool.run(todo, claim.execute, output, on_end)
        finally:  # an interrupted study has results too
            results = gather(claim, *_known(claim, output))
            results.write(output / RESULTS_FILE)
    return results


def _known(claim: Claim, output: Path) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return what finished trials found, and how failed ones failed, by name."""
    found: dict[str, dict[str, Any]] = {}
    errors: dict[str, str] = {}
    for trial in claim.trials:
        record = read_record(output, trial)
        failure = None if record is not None else read_failure(output, trial)
        if record is not None and (odd := _not_finite(claim, record)):
            errors[trial.name] = f"not finite: {', '.join(odd)}"
        elif record is not None:
            found[trial.name] = record
        elif failure:
            errors[trial.name] = failure.error
    return found, errors


def _not_finite(claim: Claim, record: dict[str, Any]) -> list[str]:
    return [measure.name for measure in claim.measures if not math.isfinite(record.get(measure.name, 0.0))]
