"""What the rooms hand to each other. B batch, K moments, T time steps of a chunk, A action dimensions, L its tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

STATE = "observation.state"
ENVIRONMENT_STATE = "observation.environment_state"
ACTION = "action"


@dataclass(frozen=True)
class ObservationSpec:
    """What a policy looks at.

    Attributes:
        numbers: Feature name -> length of its vector.
        pictures: Feature name -> (height, width) that the policy sees it in; other sizes are resized to it.
        tasks: What it can be told to do, as far as the data tell; empty for a policy that is told nothing.
        history: How many moments it sees at once, K, the present one included.
        recorded: Feature name -> (height, width) in which its pictures were recorded before they were resized; empty
            where nobody told. Who draws pictures for the policy draws them so, and leaves resizing to the policy.
    """

    numbers: Mapping[str, int]
    pictures: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    history: int = 1
    recorded: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All features, numbers first."""
        return (*self.numbers, *self.pictures)

    @property
    def drawn(self) -> dict[str, tuple[int, int]]:
        """Feature name -> (height, width) that its pictures should come in: as recorded, else as they are seen."""
        return {name: self.recorded.get(name, size) for name, size in self.pictures.items()}

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """(height, width) that all pictures are seen in; None without pictures, or where they differ."""
        sizes = set(self.pictures.values())
        return sizes.pop() if len(sizes) == 1 else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        pictures, recorded = (
            {name: list(size) for name, size in sizes.items()} for sizes in (self.pictures, self.recorded)
        )
        return {
            "numbers": dict(self.numbers),
            "pictures": pictures,
            "tasks": list(self.tasks),
            "history": self.history,
            **({"recorded": recorded} if recorded else {}),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "ObservationSpec":
        """Undo `to_dict`. Raises TypeError or ValueError for what it did not write."""
        pictures, recorded = (
            {name: (int(height), int(width)) for name, (height, width) in content.get(key, {}).items()}
            for key in ("pictures", "recorded")
        )
        return cls(
            {name: int(size) for name, size in content["numbers"].items()},
            pictures,
            tuple(content.get("tasks", ())),
            int(content.get("history", 1)),
            recorded,
        )


@dataclass(frozen=True)
class Prefix:
    """The first steps of a chunk that will be executed whatever the policy says, while it still thinks.

    Attributes:
        actions: (B, P, A), in the units of the action spec; what is beyond `steps` means nothing.
        steps: (B,), how many of them are committed, from 0 to P.
    """

    actions: Tensor
    steps: Tensor

    def is_known(self, steps: int) -> Tensor:
        """Return which of the first steps of the chunk are committed, (B, steps)."""
        return torch.arange(steps, device=self.steps.device) < self.steps[:, None]

    def put_into(self, actions: Tensor) -> Tensor:
        """Return actions (B, T, A) with the committed ones in their place."""
        given = self.actions[:, : actions.shape[1]].to(actions.dtype)
        first = given.shape[1]
        known = self.is_known(first)[..., None]
        return torch.cat([torch.where(known, given, actions[:, :first]), actions[:, first:]], dim=1)

    def rows(self, start: int, end: int) -> "Prefix":
        """Return the prefix of consecutive rows of the batch."""
        return Prefix(self.actions[start:end], self.steps[start:end])

    def to(self, device: torch.device | str) -> "Prefix":
        """Return the same prefix on another device."""
        return Prefix(self.actions.to(device, non_blocking=True), self.steps.to(device, non_blocking=True))


@dataclass(frozen=True)
class Observation:
    """What a robot senses, and what it is told, for a batch.

    Attributes:
        features: LeRobot's feature names -> numbers (B, size) in the units of the dataset, and pictures
            (B, height, width, 3) from 0 to 255. With a history of several moments, oldest first, (B, K, ...).
        tasks: What each row is to do, in words; None where nobody says.
        prefix: What is already decided of the chunk; None for nothing.
    """

    features: Mapping[str, Tensor]
    tasks: tuple[str, ...] | None = None
    prefix: Prefix | None = None

    @property
    def batch_size(self) -> int:
        return next(iter(self.features.values())).shape[0]

    def to(self, device: torch.device | str) -> "Observation":
        """Return the same observation on another device."""
        features = {name: value.to(device, non_blocking=True) for name, value in self.features.items()}
        return Observation(features, self.tasks, None if self.prefix is None else self.prefix.to(device))


@dataclass(frozen=True)
class Modes:
    """A few hypotheses of a whole chunk, K of them, at n token positions.

    Means and scales are on the axis of each position on which its tokens span [-1, 1] (`TokenPoints.axis`).

    Attributes:
        log_weights: (B, K), log of how likely each is; one set of weights for the whole chunk.
        means: (B, n, K).
        scales: (B, n, K), positive.
    """

    log_weights: Tensor
    means: Tensor
    scales: Tensor


@dataclass(frozen=True)
class Prediction:
    """What a head believes of n token positions.

    Attributes:
        logits: (B, n, V).
        modes: The hypotheses that the logits are made of; None for a head that has none.
    """

    logits: Tensor
    modes: Modes | None = None


@dataclass(frozen=True)
class Batch:
    """Observations with the action chunks that a demonstrator chose for them.

    Attributes:
        observation: What was seen, (B, ...).
        actions: What was done from then on, (B, T, A), in the units of the action spec.
        is_padding: (B, T), true where the episode had already ended and the last action is repeated.
    """

    observation: Observation
    actions: Tensor
    is_padding: Tensor

    @property
    def is_given(self) -> Tensor:
        """(B, T), true where there is nothing to predict: padding, and steps that the observation says are decided."""
        prefix = self.observation.prefix
        return self.is_padding if prefix is None else self.is_padding | prefix.is_known(self.is_padding.shape[1])

    def to(self, device: torch.device | str) -> "Batch":
        """Return the same batch on another device."""
        return Batch(self.observation.to(device), self.actions.to(device), self.is_padding.to(device))

    def split(self, parts: int) -> "list[Batch]":
        """Return the batch in so many parts of consecutive rows, as equal as can be; fewer where it has fewer rows."""
        if parts == 1:
            return [self]
        rows = torch.arange(len(self.actions)).tensor_split(min(parts, len(self.actions)))
        return [self._rows(int(some[0]), int(some[-1]) + 1) for some in rows]

    def _rows(self, start: int, end: int) -> "Batch":
        tasks, prefix = self.observation.tasks, self.observation.prefix
        seen = {name: x[start:end] for name, x in self.observation.features.items()}
        observation = Observation(
            seen, None if tasks is None else tasks[start:end], None if prefix is None else prefix.rows(start, end)
        )
        return Batch(observation, self.actions[start:end], self.is_padding[start:end])


@dataclass(frozen=True)
class ActionChunk:
    """The next actions that a policy wants.

    Attributes:
        actions: (B, T, A), in the units of the action spec.
        tokens: (B, L), the tokens behind them, or None for a policy without tokens.
        entropy: (B, L), how unsure the policy was of each token, in nats, or None.
        expected_error: (B, T, A), how far the policy expects these actions to be off, in the unit of each dimension:
            the mean distance of its belief from what it chose. None where it believes nothing of single numbers.
            Of the way that was taken, where there are several.
        ways: (B, K, T, A), all ways that the policy sees; None for one that sees none.
        way_weights: (B, K), how much weight lies on each way or near it, so that those that agree all have much.
        way_entropy: (B,), nats: how open it is which way to go.
    """

    actions: Tensor
    tokens: Tensor | None = None
    entropy: Tensor | None = None
    expected_error: Tensor | None = None
    ways: Tensor | None = None
    way_weights: Tensor | None = None
    way_entropy: Tensor | None = None
