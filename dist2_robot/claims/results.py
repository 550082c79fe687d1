"""``results.json`` of a claim: all that tables, picture and verdict are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dist2_robot.claims.claim import Claim, Measure, Published
from dist2_robot.claims.trial import Trial
from dist2_robot.errors import InputError
from dist2_robot.evaluation.shapes import Shape, count, entries, number, some, table, text, wrong_entry
from dist2_robot.json_file import read_json, write_json

# Of a trial: ``part``, ``method``, ``size``, ``seed``, and a number for each measure that its part has.
Row = Mapping[str, Any]
_PLACE = ("part", "method", "size", "seed")
_PLACES: Mapping[str, Shape] = {"part": text, "method": text, "size": number, "seed": count}
_MEASURE: Mapping[str, Shape] = {"name": text, "about": text, "is_error": lambda x: isinstance(x, bool)}
_PUBLISHED: Mapping[str, Shape] = {"setting": text, "reference": lambda x: number(x) and x != 0, "subject": number}


def _is_row(x: Any) -> bool:
    return entries(_PLACES, *_PLACE)(x) and all(map(number, (value for key, value in x.items() if key not in _PLACE)))


def _all_of(shapes: Mapping[str, Shape]) -> Shape:
    """Return the shape of a table of these keys and no others."""
    return lambda x: entries(shapes, *shapes)(x) and set(x) == set(shapes)


def _one_or_more(shape: Shape) -> Shape:
    return lambda x: some(shape)(x) and bool(x)


_RESULTS: Mapping[str, Shape] = {
    **dict.fromkeys(("name", "about", "size_name", "reference"), text),
    **dict.fromkeys(("changed", "controls"), some(text)),
    "primary_size": number,
    "measures": _one_or_more(_all_of(_MEASURE)),
    "subjects": _one_or_more(text),
    "published": _all_of(_PUBLISHED),
    "parts": table(entries({"about": text, "trials": count, "done": count}, "about", "trials", "done")),
    "settings": table(table(lambda _: True)),
    "rows": some(_is_row),
    "failed": some(entries({"trial": text, "error": text}, "trial", "error")),
}


@dataclass(frozen=True)
class ClaimResults:
    """As `Claim`, with what was found in place of the trials.

    Attributes:
        parts: Name of each part -> ``about``, ``trials`` and how many of them are ``done``.
        settings: ``part/method`` -> the settings of its first trial.
        rows: See `Row`.
        failed: Of each failed trial its name and its error.
    """

    name: str
    about: str
    changed: Sequence[str]
    size_name: str
    primary_size: int
    measures: Sequence[Measure]
    subjects: Sequence[str]
    reference: str
    controls: Sequence[str]
    published: Published | None
    parts: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Mapping[str, Any]]
    rows: Sequence[Row]
    failed: Sequence[Mapping[str, str]]

    def write(self, path: Path) -> None:
        """Write a results file."""
        write_json(path, {"kind": "claim", **asdict(self)})

    def scores(self, part: str, method: str, size: int, measure: str) -> dict[int, float]:
        """Return seed -> what was measured."""
        wanted = (part, method, size)
        rows = [row for row in self.rows if (row["part"], row["method"], row["size"]) == wanted]
        return {row["seed"]: row[measure] for row in rows if measure in row}

    def methods(self, part: str) -> list[str]:
        """Return the methods of a part, in the order of its trials."""
        return [key.partition("/")[2] for key in self.settings if key.partition("/")[0] == part]

    def sizes(self, part: str) -> list[int]:
        """Return the sizes of a part that something was found for."""
        return sorted({row["size"] for row in self.rows if row["part"] == part})


def gather(claim: Claim, found: Mapping[str, Mapping[str, Any]], errors: Mapping[str, str]) -> ClaimResults:
    """Put together what is known so far.

    Args:
        claim: What was asked.
        found: Name of a finished trial -> what it found.
        errors: Name of a failed trial -> its error.
    """
    shared = ("name", "about", "changed", "size_name", "primary_size", "measures", "subjects", "reference", "controls")
    settings: dict[str, Mapping[str, Any]] = {}
    for trial in claim.trials:
        settings.setdefault(f"{trial.part}/{trial.method}", trial.settings)
    return ClaimResults(
        **{key: getattr(claim, key) for key in shared},
        published=claim.published,
        parts={part: {"about": about, **_progress(claim, part, found)} for part, about in claim.parts.items()},
        settings=settings,
        rows=[_row(trial, found[trial.name]) for trial in claim.trials if trial.name in found],
        failed=[{"trial": name, "error": error} for name, error in errors.items()],
    )


def read_claim(path: Path) -> ClaimResults:
    """Read the results file of a claim. Raises InputError where there is none."""
    try:
        content = read_json(path)
    except FileNotFoundError:
        raise InputError(f"'{path.parent}' holds no {path.name}: run the study first, or mend output=") from None
    except ValueError as error:
        raise InputError(
            f"'{path}' is not valid JSON ({error}): run the study again, finished trials are kept"
        ) from error
    if not isinstance(content, dict) or content.pop("kind", None) != "claim":
        raise InputError(f"'{path}' is not of a claim: mend output=")
    if wrong := wrong_entry(content, _RESULTS, *(key for key in _RESULTS if key != "published")):
        raise InputError(f"'{path}' has no valid '{wrong}': run the study again, finished trials are kept")
    known = {measure["name"] for measure in content["measures"]}
    if not all(known & set(row) for row in content["rows"]):
        raise InputError(f"'{path}' has rows without a measure of {sorted(known)}: run the study again")
    known_entries: dict[str, Any] = {key: content.get(key) for key in _RESULTS}
    known_entries["measures"] = [Measure(**measure) for measure in content["measures"]]
    known_entries["published"] = Published(**content["published"]) if content["published"] else None
    return ClaimResults(**known_entries)


def _progress(claim: Claim, part: str, found: Mapping[str, Any]) -> dict[str, int]:
    names = [trial.name for trial in claim.trials if trial.part == part]
    return {"trials": len(names), "done": sum(name in found for name in names)}


def _row(trial: Trial, found: Mapping[str, Any]) -> dict[str, Any]:
    return {"part": trial.part, "method": trial.method, "size": trial.size, "seed": trial.seed, **found}
