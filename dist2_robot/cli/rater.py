"""A reward model that looks on while a policy is evaluated."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from dist2_robot.checkpoints.store import load_policy
from dist2_robot.errors import InputError
from dist2_robot.evaluation.aggregate import mean_of_runs
from dist2_robot.policies.policy import Policy
from dist2_robot.policies.reward_model import RewardModel
from dist2_robot.types import Observation


class Rater:
    """Rates every moment at which a policy is asked, and ends episodes that do not get far enough.

    Args:
        model: Rates.
        stop_below: End an episode whose best score is below this after `stop_after` steps; None to let all run on.
        stop_after: See there.
    """

    def __init__(self, model: RewardModel, stop_below: float | None = None, stop_after: int = 0) -> None:
        self.model, self.stop_below, self.stop_after = model, stop_below, stop_after
        self.best: dict[int, float] = {}  # episode -> its best score
        self.stopped: dict[int, int] = {}  # episode -> after how many steps

    def __call__(self, episode: int, steps: int, features: Mapping[str, np.ndarray]) -> bool:
        """Rate a moment, and tell whether the episode is to end; one moment at a time, whatever runs beside it."""
        self._check_numbers(features)
        names = self.model.policy.observation.names
        device = next(self.model.policy.parameters()).device
        seen = {name: torch.from_numpy(features[name])[None].to(device) for name in names}
        told = (str(features["task"]),) if "task" in features else None
        score = float(self.model.rate(Observation(seen, told))[0, 0])
        self.best[episode] = max(score, self.best.get(episode, score))
        is_enough = self.stop_below is None or steps < self.stop_after or self.best[episode] >= self.stop_below
        if not is_enough:
            self.stopped[episode] = steps
        return not is_enough

    def check(self, policy: Policy) -> None:
        """Raise InputError unless the reward model looks at no more than a policy does."""
        ours, theirs = self.model.policy.observation, policy.observation
        missing = set(ours.pictures) - set(theirs.pictures)
        if missing or ours.history != theirs.history:
            what = f"pictures {sorted(missing)}" if missing else f"{ours.history} moments at once"
            raise InputError(
                f"reward_model={self.model.name} looks at {what}, which the policy does not: train another"
            )

    def _check_numbers(self, features: Mapping[str, np.ndarray]) -> None:
        """Raise InputError where the environment shows other numbers than the reward model learned from."""
        for name, size in self.model.policy.observation.numbers.items():
            shown = features[name].shape[-1] if name in features else 0
            if shown != size:
                raise InputError(
                    f"reward_model={self.model.name} looks at {size} numbers of '{name}', here are {shown}: "
                    "train one on recordings of this environment"
                )

    def results(self) -> dict[str, Any]:
        """Return what results.json says of it: the mean of the episodes' best scores, its interval, and each."""
        estimate = mean_of_runs([*self.best.values()])
        return {
            "reward_model": str(self.model.name),
            "rated_score": estimate.value,
            "rated_score_interval": list(estimate.interval),
            "rated_scores": [round(self.best[episode], 3) for episode in sorted(self.best)],
            "stop_below": self.stop_below,
            "stop_after": self.stop_after,
            "stopped": {str(episode): steps for episode, steps in sorted(self.stopped.items())},
        }


def new_rater(config: Mapping[str, Any], device: str) -> Rater | None:
    """Build what ``reward_model``, ``stop_below`` and ``stop_after`` of a config ask for."""
    checkpoint, below = config["reward_model"], config["stop_below"]
    if checkpoint is None:
        if below is not None:
            raise InputError("stop_below needs a reward model: pass reward_model=CHECKPOINT")
        return None
    return Rater(RewardModel(load_policy(checkpoint, device)[0], checkpoint), below, config["stop_after"])
