"""The policy that a config describes, fitted to data and not yet trained."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from dist2_robot.checkpoints.compatibility import check_compatible
from dist2_robot.checkpoints.registry import build_policy, build_tokenizer
from dist2_robot.cli.dataset import TrainingData
from dist2_robot.errors import InputError
from dist2_robot.lerobot.baselines.register import BASELINES
from dist2_robot.policies.policy import Policy
from dist2_robot.types import ObservationSpec


def new_policy(config: Mapping[str, Any], data: TrainingData) -> Policy:
    """Build the policy of a config and fit it to the training frames."""
    _check_loss(config["policy"]["name"], config["loss"]["name"])
    policy_config = {**config["policy"], **_eyes_and_ears(config, data.observation)}
    del policy_config["history"]  # part of the observation
    policy_config.pop("prefix_noise", None)  # of the training
    fitted = None
    chunks = data.training.chunks(torch.arange(len(data.training)))
    if policy_config["name"] not in ("regression", *BASELINES):
        tokenizer_config = {**config["tokenizer"], "horizon": policy_config.pop("horizon")}
        tokenizer = build_tokenizer(data.spec, tokenizer_config)
        check_compatible(tokenizer, head=config["head"]["name"], decoding=config["decoding"], loss=config["loss"])
        actions, is_padding = chunks
        try:
            tokenizer.fit(actions[~is_padding.any(dim=1)])
        except ValueError as error:
            name = tokenizer_config["name"]
            raise InputError(f"tokenizer '{name}' cannot learn from '{data.name}': {error}") from error
        fitted = tokenizer.state_dict()
        policy_config |= {"tokenizer": tokenizer_config} | {
            name: config[name] for name in ("head", "decoding", "sampling", "distance")
        }
    policy = build_policy(data.spec, policy_config, fitted)
    policy.normalizer.fit({name: data.table.features[name][data.training.frames] for name in data.observation.numbers})
    policy.fit_actions(*chunks)
    return policy


def _check_loss(policy: str, loss: str) -> None:
    """Raise InputError where a policy with a loss of its own is given another, or one without is given none."""
    if policy in BASELINES and loss != "own":
        raise InputError(f"policy={policy} trains on its own loss, not on '{loss}': leave out loss=")
    if loss == "own" and policy not in BASELINES:
        raise InputError(f"policy={policy} has no loss of its own: choose one, e.g. loss=dist2_energy or loss=l1")


def _eyes_and_ears(config: Mapping[str, Any], observation: ObservationSpec) -> dict[str, Any]:
    """Return the part of a policy's config about what it observes; who does but one thing need not be told."""
    name = config["policy"]["name"]
    reads = name == "language_model"  # a prompt, which holds the task whatever there is to choose
    is_told = not reads and config["instruction"]["name"] != "none" and len(observation.tasks) > 1
    seen = observation if reads or is_told else replace(observation, tasks=())
    if name in BASELINES:  # with eyes of their own, and no ears: they refuse to be told
        return {"observation": seen.to_dict()}
    return {
        "observation": seen.to_dict(),
        "vision": config["vision"] if observation.pictures else None,
        "instruction": config["instruction"] if is_told else None,
    }
