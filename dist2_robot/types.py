"""What the rooms hand to each other. B batch, K moments, T time steps of a chunk, A action dimensions, L its tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

STATE = "observation.state"
ENVIRONMENT_STATE = "observation.environment_state"
ACTION = "action"

# What is read of an observation that others described; a robot of today has some tens of numbers and a few cameras.
MAX_FEATURES, MAX_NUMBERS, MAX_PIXELS, MAX_MOMENTS = 256, 65_536, 4096, 1024
MAX_NAME, MAX_TEXT = 256, 4096


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
        """Undo `to_dict`. Raises KeyError, TypeError, AttributeError or ValueError for what it did not write."""
        pictures, recorded = (
            {
                _name(name): (_whole(name, height, MAX_PIXELS), _whole(name, width, MAX_PIXELS))
                for name, (height, width) in content.get(key, {}).items()
            }
            for key in ("pictures", "recorded")
        )
        numbers = {_name(name): _whole(name, size, MAX_NUMBERS) for name, size in content["numbers"].items()}
        if len(numbers) + len(pictures) > MAX_FEATURES:
            raise ValueError(f"there are {len(numbers) + len(pictures)} features, at most {MAX_FEATURES} are read")
        tasks = content.get("tasks", ())
        if not isinstance(tasks, list | tuple) or not all(isinstance(x, str) and len(x) <= MAX_TEXT for x in tasks):
            raise ValueError(f"tasks must be texts of at most {MAX_TEXT} letters")
        return cls(numbers, pictures, tuple(tasks), _whole("history", content.get("history", 1), MAX_MOMENTS), recorded)


def _name(name: str) -> str:
    if not name or len(name) > MAX_NAME:
        raise ValueError(f"a feature is called {name[:60]!r}")
    return name


def _whole(name: str, value: Any, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"{name} must be a whole number from 1 to {most}, got {str(value)[:60]}")
    return value


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
    """

    actions: Tensor
    tokens: Tensor | None = None
    entropy: Tensor | None = None
    expected_error: Tensor | None = None
