"""A policy fitted to data and not yet trained, from the choices of a config."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.checkpoints.compatibility import check_compatible
from dist2_robot.checkpoints.registered import REGISTERED
from dist2_robot.checkpoints.registry import build_policy, build_tokenizer
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.errors import InputError
from dist2_robot.policies.policy import Policy
from dist2_robot.types import ObservationSpec


def fresh_policy(
    config: Mapping[str, Any], spec: ActionSpec, observation: ObservationSpec, windows: ChunkWindows, name: str
) -> Policy:
    """Build a policy, with its tokenizer and normaliser fitted to the frames it is to learn from.

    Args:
        config: The groups ``policy``, ``tokenizer``, ``head``, ``decoding``, ``sampling``, ``distance``, ``loss``,
            ``vision`` and ``instruction``.
        spec: What an action is.
        observation: What there is to look at.
        windows: What to learn from.
        name: Of the data, for messages.

    Raises:
        InputError: Choices that do not go together, or a tokenizer that cannot learn from these data.
    """
    _check_loss(config["policy"]["name"], config["loss"]["name"])
    policy_config = {**config["policy"], **_eyes_and_ears(config, observation)}
    del policy_config["history"]  # part of the observation
    policy_config.pop("target", None)  # of the data
    policy_config.pop("prefix_noise", None)  # of the training
    fitted = None
    chunks = windows.chunks(torch.arange(len(windows)))
    if policy_config["name"] not in ("regression", *REGISTERED):
        tokenizer_config = {**config["tokenizer"], "horizon": policy_config.pop("horizon")}
        tokenizer = build_tokenizer(spec, tokenizer_config)
        check_compatible(tokenizer, head=config["head"]["name"], decoding=config["decoding"], loss=config["loss"])
        actions, is_padding = chunks
        try:
            tokenizer.fit(actions[~is_padding.any(dim=1)])
        except ValueError as error:
            what = f"tokenizer '{tokenizer_config['name']}'"
            raise InputError(f"{what} cannot learn from '{name}': {error}") from error
        fitted = tokenizer.state_dict()
        policy_config |= {"tokenizer": tokenizer_config} | {
            key: config[key] for key in ("head", "decoding", "sampling", "distance")
        }
    policy = build_policy(spec, policy_config, fitted)
    policy.normalizer.fit({key: windows.table.features[key][windows.frames] for key in observation.numbers})
    policy.fit_actions(*chunks)
    return policy


def _check_loss(policy: str, loss: str) -> None:
    """Raise InputError where a policy with a loss of its own is given another, or one without is given none."""
    if policy in REGISTERED and loss != "own":
        raise InputError(f"policy={policy} trains on its own loss, not on '{loss}': leave out loss=")
    if loss == "own" and policy not in REGISTERED:
        raise InputError(f"policy={policy} has no loss of its own: choose one, e.g. loss=dist2_energy or loss=l1")


def _eyes_and_ears(config: Mapping[str, Any], observation: ObservationSpec) -> dict[str, Any]:
    """Return the part of a policy's config about what it observes; who does but one thing need not be told."""
    name = config["policy"]["name"]
    reads = name == "language_model"  # a prompt, which holds the task whatever there is to choose
    is_told = not reads and config["instruction"]["name"] != "none" and len(observation.tasks) > 1
    seen = observation if reads or is_told else replace(observation, tasks=())
    if name in REGISTERED:  # with eyes of their own, and no ears: they refuse to be told
        return {"observation": seen.to_dict()}
    return {
        "observation": seen.to_dict(),
        "vision": config["vision"] if observation.pictures else None,
        "instruction": config["instruction"] if is_told else None,
    }
