"""``results.json`` of a study: one flat row a job and decoding. Tables and pictures are drawn from it alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.evaluation.shapes import Shape, count, entries, interval, number, some, text, wrong_entry
from dist2_robot.json_file import read_json, write_json
from dist2_robot.studies.job import Job
from dist2_robot.studies.record import Failure
from dist2_robot.studies.study import Row, Study

RESULTS_FILE = "results.json"
_METHOD = entries(dict.fromkeys(("head", "loss", "variant"), text), "head", "loss", "variant")
_FAILED = some(entries({"job": text, "error": text}, "job", "error"))
_ROW_TEXTS = ("stage", "task", "head", "loss", "variant", "decoding")
_ROW_COUNTS = ("seed", "episodes", "errors", "evaluation_seed")
_ROW: Mapping[str, Shape] = {
    **dict.fromkeys(_ROW_TEXTS, text),
    **dict.fromkeys(_ROW_COUNTS, count),
    **dict.fromkeys(("success", "action_error", "training_s", "training_cpu_s", "chunk_ms"), number),
    **dict.fromkeys(("demonstrations", "parameters"), count),
    "interval": interval,
    "outcomes": lambda x: text(x) and set(x) <= set("SFE"),
}
_is_row = entries(_ROW, *_ROW_TEXTS, *_ROW_COUNTS, "action_error", "outcomes")
_RESULTS: Mapping[str, Shape] = {
    "name": text,
    "stages": some(
        entries({"name": text, "about": text, "jobs": count, "done": count}, "name", "about", "jobs", "done")
    ),
    "references": some(_METHOD),
    "subjects": some(_METHOD),
    "rows": some(lambda x: _is_row(x) and (x.get("success") is None or bool(set(x["outcomes"]) & set("SF")))),
    "failed": _FAILED,
    "refused": _FAILED,
}
OUTCOMES = {"success": "S", "failure": "F", "error": "E"}
OUTCOME_OF = {letter: outcome for outcome, letter in OUTCOMES.items()}


@dataclass(frozen=True)
class StudyResults:
    """Attributes:
    name: Of the study.
    stages: Of each its name, what it is about, and how many of its jobs are done of how many.
    references, subjects: Methods, as in `Study`.
    rows: See `rows_of`.
    failed: Of each failed job its name and its error.
    refused: The same of grid cells whose parts do not go together.
    """

    name: str
    stages: Sequence[Mapping[str, Any]]
    references: Sequence[Mapping[str, str]]
    subjects: Sequence[Mapping[str, str]]
    rows: Sequence[Row]
    failed: Sequence[Mapping[str, str]] = field(default_factory=list)
    refused: Sequence[Mapping[str, str]] = field(default_factory=list)

    def write(self, output: Path) -> None:
        """Write results.json."""
        write_json(output / RESULTS_FILE, {"kind": "study", **asdict(self)})


def read_results(output: Path) -> StudyResults:
    """Read results.json of a study. Raises InputError where there is none."""
    path = output / RESULTS_FILE
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise InputError(f"'{output}' holds no {RESULTS_FILE}: run the study first, or mend output=") from None
    except ValueError as error:
        raise InputError(
            f"'{path}' is not valid JSON ({error}): run the study again, finished jobs are kept"
        ) from error
    if not isinstance(content, dict) or content.pop("kind", None) != "study":
        raise InputError(f"'{path}' is not of a study: mend output=")
    if wrong := wrong_entry(content, _RESULTS, "name", "stages", "references", "subjects", "rows"):
        raise InputError(f"'{path}' has no valid '{wrong}': run the study again, finished jobs are kept")
    return StudyResults(**{key: content[key] for key in _RESULTS if key in content})


def rows_of(job: Job, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a finished job from what its execution found.

    A row holds ``stage``, ``task``, ``demonstrations`` (None where the study has one number of them), ``head``,
    ``loss``, ``variant``, ``seed`` (of the training), ``decoding``; ``success`` (None with too many errors),
    ``interval`` (Wilson, 95 %), ``episodes``, ``errors``; ``action_error`` (held out, mean absolute, in tolerances);
    ``training_s``, and in processor time ``training_cpu_s`` and ``chunk_ms`` (to act once); ``parameters``;
    ``evaluation_seed`` and ``outcomes``, a letter an episode: success, failure, error. Episode i of two rows with one
    evaluation seed and task began in the same state.
    """
    return [
        {
            "stage": job.stage,
            "task": job.task,
            **asdict(job.method),
            "seed": job.seed,
            "decoding": each["decoding"],
            "success": each["success_rate"],
            "interval": each["success_interval"],
            "episodes": len(each["outcomes"]),
            "errors": each["outcomes"].count("error"),
            "action_error": each["action_error"],
            "training_s": found["training_s"],
            "training_cpu_s": found.get("training_cpu_s"),
            "demonstrations": job.demonstrations,
            "chunk_ms": found.get("chunk_ms"),
            "parameters": found.get("parameters"),
            "evaluation_seed": job.evaluation_seed,
            "outcomes": "".join(OUTCOMES[outcome] for outcome in each["outcomes"]),
        }
        for each in found["evaluations"]
    ]


def outcomes_by_seed(rows: Iterable[Row]) -> dict[int, dict[int, str]]:
    """Return training seed -> number of the episode -> outcome, of rows of one task, method and decoding."""
    return {row["seed"]: {i: OUTCOME_OF[letter] for i, letter in enumerate(row["outcomes"])} for row in rows}


def gather(
    study: Study, jobs: Mapping[str, Sequence[Job]], rows: Sequence[Row], failures: Mapping[str, Failure]
) -> StudyResults:
    """Put together what is known so far.

    Args:
        study: What was asked.
        jobs: Stage -> its jobs, of the stages that have begun.
        rows: Of the finished jobs.
        failures: Name of a job -> how it failed.
    """
    unfinished = [job for stage in jobs.values() for job in stage if job.name in failures]
    refused = [job for job in unfinished if job.may_be_refused and failures[job.name].is_refused]
    keys = ("stage", "task", "demonstrations", "head", "loss", "variant", "seed")
    done = {tuple(row.get(key) for key in keys) for row in rows}
    return StudyResults(
        name=study.name,
        stages=[
            {
                "name": stage.name,
                "about": stage.about,
                "jobs": len(jobs.get(stage.name, ())),
                "done": sum(key[0] == stage.name for key in done),
            }
            for stage in study.stages
        ],
        references=[asdict(method) for method in study.references],
        subjects=[asdict(method) for method in study.subjects],
        rows=list(rows),
        failed=[{"job": job.name, "error": failures[job.name].error} for job in unfinished if job not in refused],
        refused=[{"job": job.name, "error": failures[job.name].error} for job in refused],
    )
