"""Runs a study: demonstrations, then its stages, with what was done before left alone."""

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from dist2_robot.errors import InputError
from dist2_robot.progress import progress_bar
from dist2_robot.studies.job import Demonstrations, Execute, Job, Unit
from dist2_robot.studies.pool import Pool
from dist2_robot.studies.record import RECORD_FILE, Failure, read_failure, read_record, write_failure
from dist2_robot.studies.results import StudyResults, gather, rows_of
from dist2_robot.studies.study import Row, Study


def run_study(
    study: Study,
    output: Path,
    *,
    collect: Execute,
    execute: Execute,
    workers: int,
    shard: tuple[int, int] = (0, 1),
    only: str | None = None,
) -> StudyResults:
    """Do the jobs of a study that are not done yet, side by side, and write results.json after each stage.

    A failed job is tried again by the next run and does not stop the others. A stage begins when all jobs of the one
    before are done or have failed, on this machine or another whose folders were copied here, but not all have failed.

    Args:
        study: What to do.
        output: Folder of everything.
        collect: Does `Demonstrations`.
        execute: Does a `Job`.
        workers: How many jobs at a time; 0 to do none and only read what was done.
        shard: This machine's number and the number of machines: job i of a stage is for machine i modulo their number.
        only: Do only jobs whose name contains this.

    Raises:
        InputError: The demonstrations cannot be recorded, or something was done with other settings.
    """
    share([], shard)  # which refuses a wrong one
    jobs: dict[str, list[Job]] = {}
    rows: list[Row] = []
    failures: dict[str, Failure] = {}
    # Jobs differ: the mean time of those done is the guess of what remains.
    bar = progress_bar(total=0, unit="job", smoothing=0.0, disable=not workers)
    with Pool(workers) as pool, bar as progress:
        do = partial(_do, pool, progress, output, failures)
        for stage in study.stages:
            jobs[stage.name] = stage.jobs(rows)
            mine = [job for job in share(jobs[stage.name], shard) if only is None or only in job.name]
            todo = [job for job in mine if read_record(output, job) is None] if workers else []
            if workers:
                done = len(mine) - len(todo)
                progress.write(f"{stage.name}: {len(mine)} jobs, {done} done before, {len(todo)} to do")
                progress.set_description(stage.name)
            _collect(todo, output, lambda units: do(collect, units), failures)
            try:
                do(execute, todo)
            finally:  # an interrupted stage has results too
                is_complete = _take_stock(jobs[stage.name], output, rows, failures)
                results = gather(study, jobs, rows, failures)
                results.write(output)
            if not is_complete or not rows:
                if workers and stage is not study.stages[-1]:
                    reason = "not all jobs are done" if rows else "no job gave a result"
                    progress.write(f"{stage.name}: {reason}, so what comes after it waits")
                break
    return results


def _do(
    pool: Pool, progress: tqdm, output: Path, failures: dict[str, Failure], what: Execute, units: Sequence[Unit]
) -> None:
    """Do some units, move the bar, and keep what failed."""

    def on_end(unit: Unit, failure: Failure | None) -> None:
        if failure:
            write_failure(output, unit, failure)
            failures[unit.name] = failure
        progress.set_postfix(failed=len(failures), refresh=False)
        progress.update()

    progress.total += len(units)
    progress.refresh()
    pool.run(units, what, output, on_end)


def share[U: Unit](jobs: Sequence[U], shard: tuple[int, int]) -> list[U]:
    """Return the jobs of one machine."""
    index, count = shard
    if not 0 <= index < count:
        raise InputError(f"shard=[{index},{count}] must be the number of this machine, from 0, and of all: [0,2]")
    return list(jobs[index::count])


def _collect(
    todo: Sequence[Job], output: Path, do: Callable[[Sequence[Unit]], None], failures: dict[str, Failure]
) -> None:
    """Record the demonstrations that some jobs need and that are not there."""
    missing: list[Demonstrations] = []
    for data in dict.fromkeys(job.data for job in todo):
        if not (output / data.folder).exists():
            (output / data.name / RECORD_FILE).unlink(missing_ok=True)
        if read_record(output, data) is None:
            shutil.rmtree(output / data.folder, ignore_errors=True)
            missing.append(data)
    do(missing)
    for data in missing:
        if data.name in failures:
            raise InputError(f"demonstrations of {data.task}: {failures[data.name].error}")


def _take_stock(jobs: Sequence[Job], output: Path, rows: list[Row], failures: dict[str, Failure]) -> bool:
    """Add rows and failures of some jobs to those known; return whether none of the jobs is open."""
    is_complete = True
    for job in jobs:
        found = read_record(output, job)
        failure = None if found else failures.get(job.name) or read_failure(output, job)
        if found:
            rows += rows_of(job, found)
        elif failure:
            failures[job.name] = failure
        else:
            is_complete = False
    return is_complete
