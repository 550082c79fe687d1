"""A run on a robot as JSON lines: first what does not change, then one line a tick. Numbers come back to the bit.

Pictures are not in it, only their checksums. A action dimensions.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.deploy.inference import PolicyCard
from dist2_robot.deploy.limits import MotionLimits
from dist2_robot.deploy.link import TimedChunk
from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.deploy.loop.tick import TickInput, TickOutput
from dist2_robot.deploy.robot import Reading, RobotDescription
from dist2_robot.deploy.serving.messages import card_message, read_card

FORMAT_VERSION = 1


def header(robot: RobotDescription, card: PolicyCard, settings: ControlSettings, about: Mapping[str, Any]) -> dict:
    """Return the first line; `read_header` undoes it.

    Args:
        robot: What is moved.
        card: What moves it.
        settings: How.
        about: Whatever else is to be known: time of day, command.
    """
    described = {**vars(robot), "spec": robot.spec.to_dict(), "limits": _plain(vars(robot.limits))}
    described["pictures"] = {name: list(size) for name, size in robot.pictures.items()}
    for entry in ("observation_names", "observation_units"):
        described[entry] = {name: list(texts) for name, texts in getattr(robot, entry).items()}
    return {
        "format_version": FORMAT_VERSION,
        "robot": described,
        "card": {name: value for name, value in card_message(card).items() if name not in ("type", "version")},
        "settings": asdict(settings),
        "about": dict(about),
    }


def read_header(line: Mapping[str, Any]) -> tuple[RobotDescription, PolicyCard, ControlSettings]:
    """Return what a first line tells. Raises ValueError, TypeError or KeyError where it is none."""
    if line.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"it has format version {line.get('format_version')}, this program reads {FORMAT_VERSION}")
    robot = dict(line["robot"])
    limits = MotionLimits(**{name: np.array(values) for name, values in robot.pop("limits").items()})
    spec = ActionSpec.from_dict(robot.pop("spec"))
    return (
        RobotDescription(spec=spec, limits=limits, **robot),
        read_card(line["card"]),
        ControlSettings(**line["settings"]),
    )


def tick_line(
    index: int, seen: TickInput, done: TickOutput, timing: Mapping[str, float]
) -> Callable[[], dict[str, Any]]:
    """Return what makes the line of a tick: called later, in another thread, it holds none of the tick's pictures.

    Args:
        index: Counts the ticks of a run, from 0.
        seen: What came in; `read_input` gives it back, without pictures.
        done: What came out.
        timing: What was measured of this tick and decides nothing, in s.
    """
    if (reading := seen.reading) is not None:
        numbers = {name: x for name, x in reading.features.items() if x.dtype != np.uint8}
        seen = replace(seen, reading=replace(reading, features=numbers))
    if done.request is not None:
        done = replace(done, request=replace(done.request, features={}))
    return lambda: {
        "tick": index,
        "in": {
            **_plain(vars(seen)),
            "reading": None if seen.reading is None else _plain(vars(seen.reading)),
            "chunks": [_plain(vars(chunk)) for chunk in seen.chunks],
        },
        "out": output_line(done),
        "timing": dict(timing),
    }


def output_line(done: TickOutput) -> dict[str, Any]:
    """Return what came out of a tick, the request by its number and prefix alone."""
    request = done.request
    asked = None if request is None else {"sequence": request.sequence, "prefix": request.prefix.tolist()}
    return {**_plain(vars(done)), "request": asked}


def read_input(line: Mapping[str, Any]) -> TickInput:
    """Return what came into a tick. Raises ValueError, TypeError or KeyError where a line is no tick."""
    given = dict(line["in"])
    if given["reading"] is not None:
        told: dict[str, Any] = dict(given["reading"])
        told["features"] = {name: np.array(x, np.float32) for name, x in told["features"].items()}
        told["positions"] = np.array(told["positions"], np.float64)
        given["reading"] = Reading(**told)
    chunks = []
    for chunk in given["chunks"]:
        arrays = {name: None if chunk[name] is None else np.array(chunk[name], np.float32) for name in _ARRAYS}
        chunks.append(TimedChunk(**{**chunk, **arrays}))
    return TickInput(**given | {"chunks": tuple(chunks), "commands": tuple(given["commands"])})


_ARRAYS = [field.name for field in fields(TimedChunk) if field.name in ("actions", "entropy", "expected_error")]


def _plain(value: Any) -> Any:
    """Return arrays as lists, in whatever they are in."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(x) for x in value]
    return value
