"""LeRobot's pipelines round a policy of ours: they move tensors, and change no number."""

from typing import Any

from lerobot.processor import PolicyAction, PolicyProcessorPipeline, make_default_pre_post_processors
from torch import Tensor

from dist2_robot.lerobot.configuration_dist2 import Dist2Config


def make_dist2_pre_post_processors(
    config: Dist2Config,
    dataset_stats: dict[str, dict[str, Tensor]] | None = None,
) -> tuple[
    PolicyProcessorPipeline[dict[str, Any], dict[str, Any]], PolicyProcessorPipeline[PolicyAction, PolicyAction]
]:
    """Return what comes before and after the policy. The statistics are not used: see `Dist2Config`."""
    return make_default_pre_post_processors(config, None)
