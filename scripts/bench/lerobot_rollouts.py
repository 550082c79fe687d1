"""What lerobot-eval does to an environment, with a policy that does nothing, for `rollouts.py` to measure."""

# pyright: reportAssignmentType=false

import time
from contextlib import redirect_stderr
from functools import partial
from io import StringIO

import gymnasium as gym
import torch
from lerobot.configs import PreTrainedConfig
from lerobot.configs.default import EvalConfig
from lerobot.policies.pretrained import PreTrainedPolicy
from lerobot.processor import PolicyProcessorPipeline
from lerobot.scripts.lerobot_eval import eval_policy

from dist2_robot.rollouts.environment import EnvironmentSpec, make_environment


def lerobots(
    spec: EnvironmentSpec, episodes: int, n_actions: int, batch_size: int | None = None
) -> tuple[float, float]:
    """Return steps per second of `eval_policy`, with environments made as LeRobot's `EnvConfig` does, and its start-up.

    Without a batch size it is the one that lerobot-eval would choose.

    Its environments run to their limit, as one that is left alone does here, too.
    """
    started = time.perf_counter()
    batch_size = batch_size or EvalConfig(n_episodes=episodes).batch_size
    make = [partial(make_environment, spec)] * batch_size
    same_step = gym.vector.AutoresetMode.SAME_STEP
    if batch_size > 1:
        vector = gym.vector.AsyncVectorEnv(make, autoreset_mode=same_step, context="forkserver")
    else:
        vector = gym.vector.SyncVectorEnv(make, autoreset_mode=same_step)
    limit = vector.call("_max_episode_steps")[0]
    nothing = PolicyProcessorPipeline(steps=[])
    first = time.perf_counter()
    with redirect_stderr(StringIO()):  # its progress bars
        eval_policy(vector, _Nothing(n_actions), nothing, nothing, nothing, _plain(), episodes, start_seed=0)
    ended = time.perf_counter()
    vector.close()
    return episodes * limit / (ended - first), first - started


def _plain() -> PolicyProcessorPipeline:
    return PolicyProcessorPipeline(steps=[], to_transition=lambda x: x, to_output=lambda x: x)


@PreTrainedConfig.register_subclass("bench")
class _NothingConfig(PreTrainedConfig):
    """Of a policy without settings."""

    observation_delta_indices = action_delta_indices = reward_delta_indices = None

    def get_optimizer_preset(self) -> None:
        """Nothing is trained."""

    def get_scheduler_preset(self) -> None:
        """Nothing is trained."""

    def validate_features(self) -> None:
        """Anything goes."""


class _Nothing(PreTrainedPolicy):
    """Asks for zeros."""

    config_class, name = _NothingConfig, "bench"

    def __init__(self, n_actions: int) -> None:
        super().__init__(_NothingConfig())
        self._n_actions = n_actions

    def select_action(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return zeros (B, A)."""
        return torch.zeros(len(batch["observation.state"]), self._n_actions)

    def reset(self) -> None:
        """Nothing is remembered."""

    def get_optim_params(self) -> None:
        """Nothing is trained."""

    def forward(self, batch: dict[str, torch.Tensor]) -> None:
        """Nothing is trained."""

    def predict_action_chunk(self, batch: dict[str, torch.Tensor]) -> None:
        """Nothing is chunked."""
