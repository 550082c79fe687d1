"""Scores on held-out episodes, as means by dimension, by step and by episode, and as one number.

E episodes, T steps of a chunk, A action dimensions.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dist2_robot.actions.spec import ActionSpec

KIND = "held_out"
COVERAGES = {"coverage_50": 0.5, "coverage_90": 0.9}
SCORES = ("mae", "crps", "nll", *COVERAGES)
NO_DISTRIBUTION = "CRPS, likelihood and coverage are not defined for this tokenizer: a token is no number of one step"
POINT = "it predicts a point: its CRPS is the absolute error, likelihood and coverage are not defined"
TEACHER_FORCED = "each token's distribution is given the true tokens before it"


@dataclass(frozen=True)
class HeldOutScores:
    """Means over all numbers that there are to predict: what is no padding, and not committed.

    Attributes:
        spec: Of the actions.
        horizon: Steps of a chunk.
        frames: Windows that were scored.
        std: (A,), standard deviation of the recorded actions of all held-out frames, in units; of arcs on a circle; 0
            where they stand still.
        sums: Score -> (E, T, A), sums over the windows of each episode, in units, nats and shares; without what is not
            defined for the policy. ``mae``, ``crps``, ``nll``, ``coverage_50``, ``coverage_90``, and ``outside``:
            truths beyond the limits of the tokens, which count as of the nearest bin for likelihood and coverage.
        counts: (E, T), how many windows have a number there.
        episodes: (E,), number of each episode in the data, and a digest of its actions: its identity wherever it lies.
        decoding: By which rule the policy chose its points; None without tokens.
        belief: Where its distributions are from: ``parallel``, ``teacher_forced``, ``point``; None where they are not
            defined.
    """

    spec: ActionSpec
    horizon: int
    frames: int
    std: Tensor
    sums: Mapping[str, Tensor]
    counts: Tensor
    episodes: tuple[tuple[int, str], ...]
    decoding: str | None
    belief: str | None

    @property
    def note(self) -> str | None:
        """What a reader must know of the scores."""
        notes = {None: NO_DISTRIBUTION, "point": POINT, "teacher_forced": TEACHER_FORCED}
        return notes.get(self.belief)

    @property
    def steps(self) -> int:
        """How many steps of the chunk there are numbers for: fewer than the horizon where all episodes are shorter."""
        return int((self.counts.sum(0) > 0).sum())

    def by_dimension(self, score: str) -> list[float] | None:
        """Return the mean of a score for each dimension, (A,); None where it is not defined."""
        return self._in(score, lambda x: x.sum((0, 1)), self.counts.sum())

    def by_step(self, score: str) -> list[list[float]] | None:
        """Return the mean of a score for each step that has numbers, and dimension, (steps, A)."""
        return self._in(score, lambda x: x.sum(0)[: self.steps], self.counts.sum(0)[: self.steps, None])

    def overall(self, score: str) -> float | None:
        """Return one number: the mean over dimensions, of errors and CRPS as a share of each standard deviation.

        Dimensions that stand still have no such share, and are left out of it. It is comparable between policies that
        are scored on the same episodes, whatever limits and tolerances they have.
        """
        return self._overall(self.by_dimension(score), score)

    def error_in_tolerances(self) -> list[float]:
        """Return the mean absolute error over dimensions in tolerances, for each step that has numbers."""
        tolerances = [d.tolerance for d in self.spec.dimensions]
        steps = self.by_step("mae") or []
        return [sum(x / t for x, t in zip(row, tolerances, strict=True)) / len(tolerances) for row in steps]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, the content of held_out.json."""
        shares = [self._shares(self.by_step(score), score) for score in ("mae", "crps")]
        outside = self.by_dimension("outside") or [0.0] * len(self.spec)
        by_dimension = {score: self.by_dimension(score) for score in SCORES}
        by_step = {score: self.by_step(score) for score in SCORES}
        return {
            "kind": KIND,
            "frames": self.frames,
            "episodes": len(self.episodes),
            "horizon": self.horizon,
            "rate_hz": self.spec.rate_hz,
            "decoding": self.decoding,
            "belief": self.belief,
            "overall": {score: self.overall(score) for score in SCORES},
            "mae_in_tolerances": _mean(self._in_tolerances()),
            "mae_by_step": shares[0],
            "crps_by_step": shares[1],
            "dimensions": [
                {
                    "name": dimension.name,
                    "unit": dimension.unit,
                    "std": float(self.std[a]),
                    "stands_still": not self._moves()[a],
                    "outside_limits": outside[a],
                    **{score: None if x is None else x[a] for score, x in by_dimension.items()},
                    **{f"{s}_by_step": None if x is None else [row[a] for row in x] for s, x in by_step.items()},
                }
                for a, dimension in enumerate(self.spec.dimensions)
            ],
            "per_episode": [self._episode(e) for e in range(len(self.episodes))],
            **({"note": self.note} if self.note else {}),
        }

    def record(self) -> dict[str, Any]:
        """Return what a line of metrics.jsonl tells."""
        names, tolerances = self.spec.names, self.error_in_tolerances()
        of_dimensions = {"action_error": "mae", "crps_by_dimension": "crps"}
        return {
            **{
                name: dict(zip(names, values, strict=True))
                for name, score in of_dimensions.items()
                if (values := self.by_dimension(score)) is not None
            },
            "action_error_by_step": tolerances,
            "units": dict(zip(names, self.spec.units, strict=True)),
            **{score: x for score in SCORES if (x := self.overall(score)) is not None},
        }

    def _episode(self, e: int) -> dict[str, Any]:
        count = self.counts[e].sum()
        means = {score: (x[e].sum(0) / count).tolist() for score, x in self.sums.items()}  # (A,)
        number, key = self.episodes[e]
        return {
            "episode": number,
            "key": key,
            "numbers": int(count) * len(self.spec),
            **{score: self._overall(means.get(score), score) for score in SCORES},
            "mae_by_dimension": means["mae"],
            "crps_by_dimension": means.get("crps"),
        }

    def _in(self, score: str, total: Any, count: Tensor) -> Any:
        return (total(self.sums[score]) / count).tolist() if score in self.sums else None

    def _in_tolerances(self) -> list[float]:
        errors = self.by_dimension("mae") or []
        return [x / d.tolerance for x, d in zip(errors, self.spec.dimensions, strict=True)]

    def _moves(self) -> list[bool]:
        return (self.std > 0).tolist()

    def _overall(self, means: list[float] | None, score: str) -> float | None:
        if means is None:
            return None
        if score not in ("mae", "crps"):
            return _mean(means)
        return _mean([x / float(s) for x, s, moves in zip(means, self.std, self._moves(), strict=True) if moves])

    def _shares(self, steps: list[list[float]] | None, score: str) -> list[float | None] | None:
        return None if steps is None else [self._overall(row, score) for row in steps]


def _mean(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
