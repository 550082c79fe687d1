"""Are the numbers such that one can learn from them? N frames, A numbers of a vector."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dist2_robot.data.audit.contents import STATS_FILE, Contents
from dist2_robot.data.audit.finding import Finding
from dist2_robot.data.audit.meaning import recorded_meaning
from dist2_robot.errors import InputError

NEAR_CONSTANT = 1e-4  # spread over magnitude, below which dividing by it blows up noise
SATURATED = 0.5  # share of frames at a limit
JUMP = 20.0  # times the step that 95 of 100 frames keep to
LEAST_JUMP = 0.1  # of the range
OUT_BY = 1e-3  # of the range: rounding
STATISTIC_ERROR = 1e-3  # of the spread
ROUNDING = 5e-4  # of the magnitude: LeRobot takes a spread from mean squares in 32 bits
ACTION, STATE = "action", "observation.state"


def check_finite(contents: Contents) -> Iterator[Finding]:
    """No NaN and no infinity."""
    for name in contents.vectors:
        wrong = ~np.isfinite(contents.columns[name].astype(np.float64))
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            text = f"'{name}', {_names(contents, name)[column]}, is {contents.columns[name][row, column]}"
            yield Finding("error", "not finite", text, **contents.places(np.asarray(wrong.any(axis=1))))


def check_constants(contents: Contents) -> Iterator[Finding]:
    """Which numbers never move, and which hardly do."""
    for name in contents.vectors:
        values = contents.columns[name].astype(np.float64)
        still = []
        for title, x in zip(_names(contents, name), values.T, strict=True):
            if not len(values) or not np.isfinite(x).all():
                continue
            if np.ptp(x) == 0:
                still.append(title)
            elif x.std() < NEAR_CONSTANT * max(1.0, abs(x.mean())):
                text = f"'{name}', {title}, hardly moves: from {x.min():g} to {x.max():g}, spread {x.std():.2g}"
                away = np.abs(x - np.median(x))
                yield Finding("warning", "near-constant", text, **contents.places(np.equal(away, away.max())))
        if still:
            yield Finding("note", "constant", f"'{name}': {', '.join(still)} never move", contents.files[0])


def check_limits(contents: Contents) -> Iterator[Finding]:
    """Actions lie within the limits of the spec, and not most of the time at them."""
    if contents.spec is None or ACTION not in contents.columns:
        return
    actions = contents.columns[ACTION].astype(np.float64)
    for column, dimension in enumerate(contents.spec.dimensions[: actions.shape[1]]):
        x, span = actions[:, column], dimension.high - dimension.low
        out = np.isfinite(x) & ((x < dimension.low - OUT_BY * span) | (x > dimension.high + OUT_BY * span))
        if out.any():
            row = int(np.argmax(out))
            text = f"{dimension.name} is {x[row]:g}, its limits are {dimension.low:g} and {dimension.high:g}"
            yield Finding("error", "limits", text, **contents.places(out))
        at_limit = (np.abs(x - dimension.low) < OUT_BY * span) | (np.abs(x - dimension.high) < OUT_BY * span)
        if dimension.kind != "gripper" and len(x) and at_limit.mean() > SATURATED and np.ptp(x) > 0:
            text = f"{dimension.name} is at a limit in {100 * at_limit.mean():.0f} % of all frames"
            yield Finding("warning", "saturation", text, **contents.places(at_limit))


def check_jumps(contents: Contents) -> Iterator[Finding]:
    """Positions move on from where they were: one frame far from both its neighbours is a sensor's fault."""
    episode = contents.columns.get("episode_index")
    absolute = contents.spec is None or contents.spec.control_mode == "absolute"
    for name in [STATE, *([ACTION] if absolute else [])]:
        if name not in contents.columns or episode is None or len(contents) < 3:
            continue
        values = contents.columns[name].astype(np.float64)
        step = np.abs(np.diff(values, axis=0))
        step[np.diff(episode) != 0] = 0
        for column, period in _periods(contents, name).items():
            step[:, column] = np.minimum(step[:, column], np.abs(period - step[:, column]))
        for column, title in enumerate(_names(contents, name)):
            if "gripper" in title or not np.isfinite(values[:, column]).all():
                continue
            if len(np.unique(values[:, column])) <= 2:  # open or shut, on or off: it has nothing but jumps
                continue
            usual, span = np.percentile(step[:, column], 95), np.ptp(values[:, column])
            far = np.append(False, step[:, column] > max(JUMP * usual, LEAST_JUMP * span))  # the row that it leads to
            if span and far.any():
                jump = step[np.argmax(far) - 1, column]
                text = f"'{name}', {title}, jumps by {jump:g} within a frame; 95 % move by {usual:.2g} at most"
                yield Finding("warning", "jumps", text, **contents.places(far))


def _periods(contents: Contents, feature: str) -> dict[int, float]:
    """Return the columns of a feature that are known to wrap -> after what length."""
    try:
        recorded = recorded_meaning(contents, contents.told)
    except InputError:
        return {}
    dimensions = recorded.action.dimensions if feature == ACTION else recorded.observed.get(feature, ())
    return {i: d.high - d.low for i, d in enumerate(dimensions) if d.wraps}


def check_statistics(contents: Contents) -> Iterator[Finding]:
    """The recorded statistics are those of the data. LeRobot's policies use them; ours fit the data themselves."""
    if contents.statistics is None:
        return
    for name in contents.vectors:
        values = contents.columns[name].astype(np.float64)
        if not len(values) or not np.isfinite(values).all():
            continue
        told = contents.statistics.get(name)
        if not isinstance(told, Mapping):
            yield Finding("warning", "statistics", f"has nothing on '{name}'", STATS_FILE)
            continue
        yield from _wrong_statistics(name, values, told, _names(contents, name))


def _wrong_statistics(name: str, values: np.ndarray, told: Mapping[str, Any], names: list[str]) -> Iterator[Finding]:
    spread = values.std(axis=0)
    true = {"mean": values.mean(axis=0), "std": spread, "min": values.min(axis=0), "max": values.max(axis=0)}
    for entry, right in true.items():
        try:
            said = np.asarray(told[entry], np.float64).reshape(-1)
            if len(said) not in (1, len(right)):
                raise ValueError(f"{len(said)} numbers")
            said = np.broadcast_to(said, right.shape)
            wrong = ~(np.abs(said - right) <= STATISTIC_ERROR * spread + ROUNDING * np.abs(values).max(axis=0) + 1e-6)
        except (KeyError, ValueError, OverflowError, TypeError):
            yield Finding("warning", "statistics", f"has no valid {entry} of '{name}'", STATS_FILE)
            continue
        if wrong.any():
            column = int(np.argmax(wrong))
            text = f"tells {entry} {said[column]:g} of '{name}', {names[column]}; it is {right[column]:g}"
            yield Finding("warning", "statistics", text, STATS_FILE, count=int(wrong.sum()))
    if "q01" in told and "q99" in told:
        try:
            low, high = (np.asarray(told[q], np.float64).reshape(-1) for q in ("q01", "q99"))
        except (ValueError, OverflowError, TypeError):
            yield Finding("warning", "statistics", f"has no valid quantiles of '{name}'", STATS_FILE)
            return
        if not len(low) == len(high) == len(spread):
            yield Finding(
                "warning", "statistics", f"has {len(low)} quantiles of the {len(spread)} of '{name}'", STATS_FILE
            )
            return
        moving = spread > 0
        outside = ((values < low) | (values > high)).mean(axis=0)[moving]
        if moving.any() and outside.max() > 0.05:
            text = (
                f"up to {100 * outside.max():.0f} % of a number of '{name}' lie outside its q01 and q99, which LeRobot "
                "writes wrongly; nothing of ours uses them"
            )
            yield Finding("note", "quantiles", text, STATS_FILE)


def _names(contents: Contents, feature: str) -> list[str]:
    return contents.folder.names(feature)
