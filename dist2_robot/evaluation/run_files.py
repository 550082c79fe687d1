"""What a training run and its evaluation left on disk."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dist2_robot.errors import InputError
from dist2_robot.evaluation.held_out_file import check_held_out
from dist2_robot.evaluation.held_out_scores import KIND
from dist2_robot.evaluation.shapes import CONFIG, EXAMPLE, METRICS, RESULTS, SUMMARY, Shape, wrong_entry
from dist2_robot.json_file import read_json, read_json_lines

EXAMPLE_CURVES = ("values", "target", "predicted")
EXAMPLE_ENTRIES = ("dimension", "unit", "step", "truth", "decoded", *EXAMPLE_CURVES)


@dataclass(frozen=True)
class RunFiles:
    """The result files of one run; what is missing on disk is empty here.

    Attributes:
        name: What the run calls itself, else the name of its folder.
        folder: The run folder.
        evaluation: The evaluation folder.
        config: config.json.
        metrics: metrics.jsonl, in the order of writing.
        examples: examples.json: target and predicted distributions of a few held-out states.
        summary: summary.json.
        results: results.json of an evaluation in simulation.
        held_out: Scores on held-out episodes: results.json of an evaluation of those, else held_out.json of the
            training, of the same decoding.
    """

    name: str
    folder: Path
    evaluation: Path
    config: Mapping[str, Any]
    metrics: tuple[Mapping[str, Any], ...]
    examples: tuple[Mapping[str, Any], ...]
    summary: Mapping[str, Any]
    results: Mapping[str, Any]
    held_out: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str | None:
        """What the evaluation was of: the environment, as it would be called, and its task."""
        environment = self.results.get("environment")
        if isinstance(environment, Mapping):
            arguments = ", ".join(f"{name}={value}" for name, value in (environment.get("kwargs") or {}).items())
            environment = f"{environment.get('id')}({arguments})"
        return " / ".join(str(part) for part in (environment, self.results.get("task")) if part) or None

    def series(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the metrics of one kind by step. A resumed run repeats steps; the later writing counts."""
        by_step = {line["step"]: line for line in self.metrics if line.get("kind") == kind and "step" in line}
        return [by_step[step] for step in sorted(by_step)]

    def attachment(self, path: str, suffix: str) -> Path | None:
        """Return a file that results.json names, or None if it is not there.

        Raises:
            InputError: The name leads out of the evaluation folder or to another type of file.
        """
        try:
            target = (self.evaluation / path).resolve()
            is_inside = target.is_relative_to(self.evaluation.resolve())
        except (OSError, RuntimeError, ValueError):  # a link to itself, a name that no file can have
            is_inside = False
        if not is_inside or target.suffix != suffix:
            raise InputError(
                f"{self.evaluation / 'results.json'} names '{path}', which is no {suffix} file inside its folder"
            )
        return target if target.is_file() else None


def load_run(folder: Path, evaluation: Path | None = None) -> RunFiles:
    """Read a run folder and its evaluation (``<folder>/eval`` if not told; an evaluation folder alone will do too).

    Raises:
        InputError: A file cannot be read or is of another kind, or none of the files is there.
    """
    if evaluation is None:
        evaluation = folder if (folder / "results.json").is_file() else folder / "eval"
    config = _read_object(folder / "config.json", CONFIG)
    results = _read_results(evaluation / "results.json")
    simulated = {} if results.get("kind") == KIND else results
    run = RunFiles(
        name=str(config.get("name") or folder.resolve().name),
        folder=folder,
        evaluation=evaluation,
        config=config,
        metrics=tuple(_read_lines(folder / "metrics.jsonl")),
        examples=tuple(_read_examples(folder / "examples.json")),
        summary=_read_object(folder / "summary.json", SUMMARY),
        results=simulated,
        held_out=results if results.get("kind") == KIND else {},
    )
    at_end = _read_held_out(folder / "held_out.json")
    if not run.held_out and (run.results or evaluation.name == "eval"):  # of no other rule than the one asked for
        is_same = run.results.get("decoding", at_end.get("decoding")) == at_end.get("decoding")
        run = replace(run, held_out=at_end if is_same else {})
    if not (run.config or run.metrics or run.examples or run.summary or run.results or run.held_out):
        raise InputError(f"{folder} holds no results of a run (config.json, metrics.jsonl, eval/results.json, ...)")
    return run


def _read(path: Path, empty: Any) -> Any:
    try:
        content = read_json(path)
    except FileNotFoundError:
        return empty
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}); write it again") from error
    if not isinstance(content, type(empty)):
        raise InputError(f"{path} must hold a JSON {type(empty).__name__}, not {type(content).__name__}")
    return content


def _read_object(path: Path, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    content = _read(path, {})
    _check(content, shapes, str(path))
    return content


def _check(content: Mapping[str, Any], shapes: Mapping[str, Shape], where: str) -> None:
    if wrong := wrong_entry(content, shapes):
        raise InputError(f"{where} has no valid '{wrong}': it is damaged, write it again")


def _read_results(path: Path) -> dict[str, Any]:
    results = _read_object(path, {})
    if results.get("kind") == KIND:
        check_held_out(results, path)
        return results
    if results and (results.get("kind") != "evaluation" or not isinstance(results.get("per_episode"), list)):
        raise InputError(f"{path} is no evaluation (kind 'evaluation' with per_episode); make it with dist2-eval")
    _check(results, RESULTS, str(path))
    return results


def _read_held_out(path: Path) -> dict[str, Any]:
    scores = _read_object(path, {})
    if scores:
        check_held_out(scores, path)
    return scores


def _read_examples(path: Path) -> list[Mapping[str, Any]]:
    examples = _read(path, [])
    for index, example in enumerate(examples):
        missing = [entry for entry in EXAMPLE_ENTRIES if not isinstance(example, dict) or entry not in example]
        if missing:
            raise InputError(f"{path}: example {index} lacks {missing}")
        _check(example, EXAMPLE, f"{path}: example {index}")
        try:
            numbers = np.array([example[curve] for curve in EXAMPLE_CURVES], dtype=float)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"{path}: example {index} needs as many values as target and predicted ({error})"
            ) from error
        if (
            numbers.ndim != 2
            or numbers.size == 0
            or not np.isfinite(numbers).all()
            or (numbers[1:].sum(axis=1) <= 0).any()
        ):
            raise InputError(f"{path}: example {index} must hold finite values and probabilities that sum to one")
    return examples


def _read_lines(path: Path) -> list[Mapping[str, Any]]:
    records: list[Mapping[str, Any]] = []
    half = ""
    try:
        for number, record in read_json_lines(path):
            if half:
                break
            if isinstance(record, ValueError):  # a run that was killed, or still writes, leaves half a last line
                half = f"{path}, line {number}, is not valid JSON ({record})"
                continue
            if not isinstance(record, dict):
                raise InputError(f"{path}, line {number}, must be a JSON object")
            _check(record, METRICS, f"{path}, line {number},")
            records.append(record)
        else:
            return records
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error})") from error
    raise InputError(half)
