"""Scores on held-out episodes beside each other, paired by episode; of methods by training seed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dist2_robot.actions.spec import UNKNOWN_UNIT
from dist2_robot.errors import InputError, some_of
from dist2_robot.evaluation.held_out_scores import SCORES, TEACHER_FORCED
from dist2_robot.evaluation.paired_scores import PairedScores, compare_scores, mean_interval
from dist2_robot.evaluation.run_files import RunFiles

BY_EPISODE, BY_SEED = "episode", "training seed"
COMPARED = {"mae": "error", "crps": "CRPS", "nll": "nats"}


def compare_held_out(scores: Mapping[str, Mapping[str, Any]], *, strict: bool = False) -> dict[str, Any]:
    """Compare scores on held-out episodes (name -> content of held_out.json), each with the first, as plain JSON.

    Differences are means over all numbers, as the scores are; their intervals take episodes as the sample.

    Args:
        scores: At least one.
        strict: Refuse runs that cannot be paired, rather than say so in place of a difference.

    Raises:
        InputError: With `strict`, two runs were not scored on the same chunks of the same episodes.
    """
    baseline, *others = scores
    differences = []
    for name in others:
        heading = {"name": name, "against": baseline}
        try:
            differences.append(heading | _difference(scores[baseline], scores[name], (baseline, name)))
        except InputError as error:
            if strict:
                raise
            differences.append(heading | {"note": str(error)})
    rows = [held_out_row(name, content) for name, content in scores.items()]
    return {"baseline": baseline, "by": BY_EPISODE, "rows": rows, "differences": differences}


def compare_held_out_methods(runs: Sequence[RunFiles]) -> dict[str, Any]:
    """Compare methods, which are runs of one name, each with that of the first run, as plain JSON.

    Pairs are runs of the same training seed that were scored on the same episodes; the means are over runs.

    Raises:
        InputError: Two runs of one name have the same training seed and episodes.
    """
    methods: dict[str, dict[tuple[int, tuple[str, ...]], Mapping[str, Any]]] = {}
    for run in runs:
        key = (int(run.config.get("seed", 0)), tuple(sorted(episode["key"] for episode in run.held_out["per_episode"])))
        seeds = methods.setdefault(run.name, {})
        if key in seeds:
            raise InputError(
                f"two runs are called '{run.name}', with training seed {key[0]} and the same held-out episodes: train "
                "them with another name=, or compare one of them"
            )
        seeds[key] = run.held_out
    baseline, *others = methods
    rows = [{"name": name, "runs": len(seeds), **_of_runs(list(seeds.values()))} for name, seeds in methods.items()]
    differences: list[dict[str, Any]] = []
    for name in others:
        heading: dict[str, Any] = {"name": name, "against": baseline}
        shared = [key for key in methods[baseline] if key in methods[name]]
        pairs = [(methods[baseline][key], methods[name][key]) for key in shared]
        try:
            for pair in pairs:
                _check_pair(*pair, (baseline, name))
            compared = _compared([(a["overall"], b["overall"], 1.0) for a, b in pairs])
            if not compared:
                raise InputError(f"'{baseline}' and '{name}' share no training seed with the same held-out episodes")
            differences.append(heading | {"n": len(shared), "scores": compared})
        except InputError as error:
            differences.append(heading | {"note": str(error)})
    return {"baseline": baseline, "by": BY_SEED, "rows": rows, "differences": differences}


def held_out_row(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a table shows of one run: scores, with intervals over its episodes."""
    weights = [episode["numbers"] for episode in content["per_episode"]]
    row = {key: content.get(key) for key in ("episodes", "frames", "horizon", "decoding", "step", "note")}
    for score in SCORES:
        values = [episode[score] for episode in content["per_episode"]]
        row[score] = content["overall"][score]
        row[f"{score}_interval"] = None if None in values else _finite(mean_interval(values, weights))
    return {"name": name, **row}


def _of_runs(contents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for score in SCORES:
        values = [content["overall"][score] for content in contents]
        is_known = None not in values
        row[score] = math.fsum(values) / len(values) if is_known else None
        row[f"{score}_interval"] = _finite(mean_interval(values)) if is_known else None
    return row


def _difference(a: Mapping[str, Any], b: Mapping[str, Any], names: tuple[str, str]) -> dict[str, Any]:
    _check_pair(a, b, names)
    first, second = ({episode["key"]: episode for episode in each["per_episode"]} for each in (a, b))
    entries = [(first[key], second[key], float(first[key]["numbers"])) for key in first]
    found = {"n": len(first), "scores": _compared(entries)}
    forced = [each.get("note") == TEACHER_FORCED for each in (a, b)]
    if forced[0] != forced[1]:
        found["remark"] = f"the distributions of '{names[forced.index(True)]}' are given the true tokens before"
    return found


def _compared(entries: Sequence[tuple[Mapping[str, Any], Mapping[str, Any], float]]) -> dict[str, Any]:
    """Return score -> paired comparison of pairs with weights, of the scores that both have everywhere."""
    found = {}
    for score in COMPARED:
        pairs = [(a[score], b[score]) for a, b, _ in entries]
        if any(None in pair for pair in pairs):
            continue
        first, second = ({i: pair[side] for i, pair in enumerate(pairs)} for side in (0, 1))
        compared = compare_scores(first, second, {i: weight for i, (_, _, weight) in enumerate(entries)})
        if compared is not None:
            found[score] = _plain(compared)
    return found


def _check_pair(a: Mapping[str, Any], b: Mapping[str, Any], names: tuple[str, str]) -> None:
    """Raise InputError, with what differs, unless two runs were scored on the same chunks of the same episodes."""
    told = f"'{names[0]}' and '{names[1]}' cannot be paired:"
    for what, usual in (("name", None), ("unit", None), ("wraps", False)):
        theirs: list[list[Any]] = [[dimension.get(what, usual) for dimension in each["dimensions"]] for each in (a, b)]
        if len(theirs[0]) == len(theirs[1]) and what == "unit":  # shares of the spread need no unit to be compared
            theirs = [
                list(x) for x in zip(*(p for p in zip(*theirs, strict=True) if UNKNOWN_UNIT not in p), strict=True)
            ]
            theirs = theirs or [[], []]
        if theirs[0] != theirs[1]:
            pairs = [f"{x} and {y}" for x, y in zip(*theirs, strict=False) if x != y]
            what = what if what == "wraps" else f"{what}s"
            raise InputError(f"{told} the {what} of their actions differ: {some_of(pairs) or 'there are more of one'}")
    if a["horizon"] != b["horizon"]:
        raise InputError(
            f"{told} their chunks have {a['horizon']} and {b['horizon']} steps, and errors grow along a chunk: train "
            "both with the same policy.horizon"
        )
    keys = [{episode["key"]: episode["numbers"] for episode in each["per_episode"]} for each in (a, b)]
    shared = keys[0].keys() & keys[1].keys()
    if keys[0].keys() != keys[1].keys():
        raise InputError(
            f"{told} they share only {len(shared)} held-out episodes of {len(keys[0])} and {len(keys[1])}: train both "
            "with the same data, seed and dataset.validation, or score both with dist2-eval env=none dataset.root=..."
        )
    if keys[0] != keys[1]:
        raise InputError(f"{told} {a['frames']} and {b['frames']} chunks of the episodes were scored: score both anew")


def _plain(compared: PairedScores) -> dict[str, Any]:
    plain = asdict(compared) | {name: _finite(getattr(compared, name)) for name in ("interval", "relative_interval")}
    return {key: None if isinstance(x, float) and not math.isfinite(x) else x for key, x in plain.items()}


def _finite(interval: tuple[float, float]) -> list[float] | None:
    return list(interval) if all(map(math.isfinite, interval)) else None
