"""What goes into a policy and comes out of it, checked against its card. T steps, A action dimensions, K moments."""

from collections.abc import Mapping

import numpy as np

from dist2_robot.deploy.inference import Inferred, PolicyCard

MAX_PIXELS = 4096  # of a side; larger pictures are no camera's


class RequestError(ValueError):
    """What the policy was asked is wrong. The text names the feature, and may be told to who asked."""


def check_request(
    card: PolicyCard, features: Mapping[str, np.ndarray], task: str | None, prefix: np.ndarray | None
) -> None:
    """Raise RequestError unless the policy of a card can be asked this; see `Inference.infer` for the shapes.

    Features that the policy does not look at are let pass.
    """
    history = card.observation.history
    for name, size in card.observation.numbers.items():
        x = _feature(features, name)
        wanted = (size,) if history == 1 else (history, size)
        if x.shape != wanted or x.dtype.kind not in "fiu":
            raise RequestError(f"'{name}' must be {wanted} numbers, got {x.shape} of {x.dtype}")
        if not np.isfinite(x).all():
            raise RequestError(f"'{name}' holds a number that is not finite")
    for name in card.observation.pictures:
        _check_picture(name, _feature(features, name), history)
    if task is None and card.observation.tasks:
        raise RequestError(f"this policy is told what to do: give a task, such as '{card.observation.tasks[0]}'")
    if prefix is not None:
        _check_prefix(card, prefix)


def check_answer(card: PolicyCard, answer: Inferred) -> None:
    """Raise ValueError unless a chunk has the shapes that the card promises and holds finite numbers alone."""
    whole = (card.horizon, len(card.spec))
    parts = {"actions": (answer.actions, whole), "expected_error": (answer.expected_error, whole)}
    parts["entropy"] = (answer.entropy, whole[:1])
    for name, (x, shape) in parts.items():
        if x is None and name != "actions":
            continue
        if x is None or x.shape != shape:
            raise ValueError(f"the policy gave {name} {None if x is None else x.shape}, not {shape}")
        if not np.isfinite(x).all():
            raise ValueError(f"the policy gave {name} that are not finite")
    _check_limits(card, answer.actions)


def _check_limits(card: PolicyCard, actions: np.ndarray) -> None:
    """Raise ValueError where an action is farther beyond its limits than they are apart: no policy errs so."""
    for d, column in zip(card.spec.dimensions, actions.T, strict=True):
        reach = d.high - d.low
        if column.min() < d.low - reach or column.max() > d.high + reach:
            odd = max(column.tolist(), key=lambda x: abs(x - (d.low + d.high) / 2))
            raise ValueError(f"the policy gave {odd:g} for '{d.name}', whose limits are [{d.low:g}, {d.high:g}]")


def _feature(features: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in features:
        raise RequestError(f"'{name}' is missing")
    return np.asarray(features[name])


def _check_picture(name: str, x: np.ndarray, history: int) -> None:
    moments, rest = (1, x.shape) if history == 1 else (x.shape[0] if x.ndim else 0, x.shape[1:])
    if moments != history or len(rest) != 3 or rest[-1] != 3 or not all(0 < n <= MAX_PIXELS for n in rest[:2]):
        wanted = "(height, width, 3)" if history == 1 else f"({history}, height, width, 3)"
        raise RequestError(f"'{name}' must be {wanted} with sides of at most {MAX_PIXELS} pixels, got {x.shape}")
    if x.dtype != np.uint8 and not (x.dtype.kind == "f" and np.isfinite(x).all()):
        raise RequestError(f"'{name}' must hold bytes or finite numbers from 0 to 255, got {x.dtype}")


def _check_prefix(card: PolicyCard, prefix: np.ndarray) -> None:
    if prefix.ndim != 2 or prefix.shape[1] != len(card.spec) or len(prefix) > card.max_prefix:
        raise RequestError(
            f"the prefix must be at most {card.max_prefix} steps of {len(card.spec)} numbers, got {prefix.shape}"
        )
    if not np.isfinite(prefix).all():
        raise RequestError("the prefix holds a number that is not finite")
