"""What a user of LeRobot chooses of a policy of ours: ``lerobot-train --policy.type=dist2``."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lerobot.configs import NormalizationMode, PreTrainedConfig
from lerobot.optim import AdamWConfig
from lerobot.optim.schedulers import CosineAnnealingWithWarmupSchedulerConfig

from dist2_robot.errors import InputError
from dist2_robot.lerobot.checkpoint_files import check_lerobot_files
from dist2_robot.lerobot.choices import choose

_UNCHANGED = ("VISUAL", "STATE", "ENV", "ACTION")
_GROUPS_BY_FIELD = ("size", "tokenizer", "head", "loss", "distance", "temperature", "vision", "instruction")


@PreTrainedConfig.register_subclass("dist2")
@dataclass
class Dist2Config(PreTrainedConfig):
    """The choices of `dist2-train`, by the same names and with the same defaults (``conf/`` tells what there is).

    A policy that is loaded keeps what it was trained with: of these it takes ``n_action_steps``, ``decoding``, ``loss``
    and the training presets.

    Attributes:
        n_obs_steps: Moments that are seen at once, the present one included.
        chunk_size: Steps of a chunk.
        n_action_steps: Of a chunk that are executed before the next is asked for.
        kind: ``token``, or its rival without tokens: ``regression``, with ``loss`` l1 or mse.
        size: tiny, small or base; width, depth and attention heads may be given one by one.
        width: Of the transformer; None as the size says.
        depth: Its blocks; None as the size says.
        attention_heads: Of each block; None as the size says.
        tokenizer: What cuts actions into tokens.
        head: What predicts distributions over tokens.
        loss: What is made small.
        distance: How far apart two tokens are.
        temperature: How wide the target distributions are.
        decoding: How a distribution becomes an action.
        vision: What looks at pictures.
        instruction: What reads the task, where the data have more than one.
        image_size: Height and width in pixels that pictures are seen in; None as recorded.
        spec: A file that tells what the recorded numbers are, as ``dataset.spec`` of `dist2-train`.
        options: Of any of these, group -> option -> value: ``{"tokenizer": {"bins": 256}}``.
        normalization_mapping: LeRobot's pipelines change nothing: the policy owns its normaliser and its tokenizer,
            so that their numbers travel with the weights and no fine-tuning moves them.
        action_feature_names: Names of the actions, as LeRobot wants them; taken from the data.
        optimizer_lr: Peak learning rate.
        optimizer_weight_decay: Of AdamW.
        optimizer_grad_clip_norm: Gradients are scaled down to this norm.
        scheduler_warmup_steps: Of a linear rise, before a cosine to zero at the last step.
    """

    n_obs_steps: int = 1
    chunk_size: int = 8
    n_action_steps: int = 4
    kind: str = "token"
    size: str = "tiny"
    width: int | None = None
    depth: int | None = None
    attention_heads: int | None = None
    tokenizer: str = "uniform"
    head: str = "mixture"
    loss: str = "dist2_energy"
    distance: str = "squared"
    temperature: str = "fixed"
    decoding: str = "local_mean"
    vision: str = "conv"
    instruction: str = "words"
    image_size: int | None = None
    spec: str | None = None
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    normalization_mapping: dict[str, NormalizationMode] = field(
        default_factory=lambda: dict.fromkeys(_UNCHANGED, NormalizationMode.IDENTITY)
    )
    action_feature_names: list[str] | None = None
    optimizer_lr: float = 3e-4
    optimizer_weight_decay: float = 1e-4
    optimizer_grad_clip_norm: float = 1.0
    scheduler_warmup_steps: int = 100

    def __setattr__(self, name: str, value: Any) -> None:
        """Look at the files of a checkpoint when LeRobot says which one it is: what it does next is to load them."""
        if name == "pretrained_path" and value is not None and Path(value).is_dir():
            check_lerobot_files(Path(value))
        super().__setattr__(name, value)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.use_peft:
            raise InputError("use_peft must be false: a policy of type dist2 has no adapters of peft")
        if self.device == "mps":  # it has no 64-bit numbers, in which the bin edges are kept
            logging.warning("policy dist2 cannot run on 'mps', and runs on 'cpu'")
            self.device = "cpu"
        if self.n_obs_steps < 1:
            raise InputError(f"n_obs_steps must be at least 1, the present moment, got {self.n_obs_steps}")
        if not 1 <= self.n_action_steps <= self.chunk_size:
            raise InputError(
                f"n_action_steps must be from 1 to chunk_size ({self.chunk_size}), got {self.n_action_steps}"
            )
        odd = [kind for kind, mode in self.normalization_mapping.items() if mode is not NormalizationMode.IDENTITY]
        if odd:
            raise InputError(f"normalization_mapping must be IDENTITY for {odd[0]}: policy dist2 normalises by itself")

    @property
    def observation_delta_indices(self) -> list[int] | None:
        return None if self.n_obs_steps == 1 else list(range(1 - self.n_obs_steps, 1))

    @property
    def action_delta_indices(self) -> list[int]:
        return list(range(self.chunk_size))

    @property
    def reward_delta_indices(self) -> None:
        return None

    def get_optimizer_preset(self) -> AdamWConfig:
        return AdamWConfig(
            lr=self.optimizer_lr,
            weight_decay=self.optimizer_weight_decay,
            grad_clip_norm=self.optimizer_grad_clip_norm,
        )

    def get_scheduler_preset(self) -> CosineAnnealingWithWarmupSchedulerConfig:
        return CosineAnnealingWithWarmupSchedulerConfig(num_warmup_steps=self.scheduler_warmup_steps)

    def validate_features(self) -> None:
        """Raise InputError where there is nothing to see or nothing to do."""
        if not self.input_features:
            raise InputError("policy dist2 needs at least one observation: a state, an environment state or a picture")
        if self.action_feature is None:
            raise InputError("policy dist2 needs the feature 'action'")

    def training_config(self) -> dict[str, Any]:
        """Return these choices as the groups of a config of `dist2-train`.

        Raises:
            InputError: A choice or an option that there is not.
        """
        options = {group: dict(changed) for group, changed in self.options.items()}
        sizes = {"width": self.width, "depth": self.depth, "attention_heads": self.attention_heads}
        given = {name: value for name, value in sizes.items() if value is not None}
        options["size"] = {**options.get("size", {}), **given}
        steps = {"horizon": self.chunk_size, "history": self.n_obs_steps}
        options["policy"] = {**options.get("policy", {}), **steps}
        names = {group: getattr(self, group) for group in _GROUPS_BY_FIELD}
        chosen = choose({"policy": self.kind, **names}, options)
        return {**chosen, "decoding": self.decoding, "sampling": {"temperature": 1.0, "top_p": 1.0}}
