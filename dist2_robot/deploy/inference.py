"""What the policy process asks of a policy, in whatever form it is: eager, compiled, exported.

T steps of a chunk, A action dimensions, P committed steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.types import ObservationSpec


@dataclass(frozen=True)
class PolicyCard:
    """What a policy needs and gives, which must fit the robot before anything is connected.

    Attributes:
        checkpoint: Where it comes from, for people.
        digest: sha256 of its manifest: two policies with the same one are the same.
        form: ``eager``, ``compiled``, ``onnx``, ``onnx_int8`` or ``torch_export``.
        spec: What its actions are.
        horizon: Steps of a chunk, T, at the rate of the spec.
        max_prefix: How many committed steps it can be given, 0 for none.
        observation: What it looks at.
        observation_names: Feature of numbers -> names of its numbers, in order.
        tasks: What was done in its data, in words.
        tokenizer: Name and arguments of its tokenizer; empty for a policy without tokens.
        golden_wrong: How many of its golden tokens it gives differently here; None where it has none.
        observation_units: Feature of numbers -> unit of each number, ``?`` where nobody knows; features that are not in
            it were never told.
    """

    checkpoint: str
    digest: str
    form: str
    spec: ActionSpec
    horizon: int
    max_prefix: int
    observation: ObservationSpec
    observation_names: Mapping[str, Sequence[str]]
    tasks: tuple[str, ...]
    tokenizer: Mapping[str, Any]
    golden_wrong: int | None
    observation_units: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Inferred:
    """One chunk, for one observation.

    Attributes:
        actions: (T, A), float32, in the units of the spec.
        entropy: (T,), mean entropy of the tokens of a step, in nats, or None without tokens.
        expected_error: (T, A), how far the policy expects to be off, in the unit of each dimension, or None.
        seconds: What it took.
    """

    actions: np.ndarray
    entropy: np.ndarray | None
    expected_error: np.ndarray | None
    seconds: float


class Inference(Protocol):
    """A policy that is ready to act."""

    @property
    def card(self) -> PolicyCard:
        """What it needs and gives."""
        ...

    def infer(self, features: Mapping[str, np.ndarray], task: str | None, prefix: np.ndarray | None) -> Inferred:
        """Return the next chunk for one observation.

        Args:
            features: Numbers (size,) and pictures (height, width, 3); with a history of K moments (K, ...).
            task: What it is to do, in words.
            prefix: (P, A), the first steps of the chunk that will be executed in any case; P at most ``max_prefix``.

        Raises:
            ValueError: An input or an output is not finite or has another shape.
        """
        ...

    def reset(self) -> None:
        """Forget the episode."""
        ...
