"""A policy of ours as LeRobot's commands train, evaluate and run it. B batch, T steps of a chunk, A action dimensions.

What it saves is a checkpoint of ours, beside LeRobot's own files: either side loads it, and acts the same.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from draccus.utils import DraccusException
from huggingface_hub import snapshot_download
from lerobot.configs import PreTrainedConfig
from lerobot.policies.pretrained import PreTrainedPolicy
from torch import Tensor, nn

from dist2_robot.checkpoints.golden import GOLDEN_FILE, golden_tensors
from dist2_robot.checkpoints.lerobot_files import CONFIG_FILE, choices
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.checkpoints.provenance import provenance
from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.checkpoints.store import load_policy, read_tensors, write_checkpoint
from dist2_robot.errors import InputError, naming
from dist2_robot.lerobot.batches import to_batch, to_observation
from dist2_robot.lerobot.checkpoint_files import check_lerobot_files
from dist2_robot.lerobot.configuration_dist2 import Dist2Config
from dist2_robot.lerobot.recorded import fine_tuned_on, new_policy
from dist2_robot.losses.output import LossOutput
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.types import Observation

_INNER = "policy."  # what the names of our weights begin with, as LeRobot sees them
_MAY_CHANGE = {"decoding", "loss"}  # of a trained policy
_GOLDEN_ROWS = 4


class Dist2Policy(PreTrainedPolicy):
    """Attributes:
    policy: The policy itself, with its own normaliser and tokenizer.
    manifest: What a checkpoint says of it, but for the weights.
    """

    config_class = Dist2Config  # pyright: ignore[reportAssignmentType] LeRobot declares None
    name = "dist2"  # pyright: ignore[reportAssignmentType]
    config: Dist2Config

    def __init__(
        self,
        config: Dist2Config,
        dataset_stats: Any = None,
        dataset_meta: Any = None,
        trained: tuple[Policy, Manifest] | None = None,
        **_: Any,
    ) -> None:
        """Args:
            config: The choices.
            dataset_stats: LeRobot's; not used, its quantiles are wrong.
            dataset_meta: Where the data lie that a new policy is fitted to, or a trained one goes on with.
            trained: A policy that was loaded, and its manifest.

        Raises:
            InputError: The choices do not go together, or not with the data.
        """
        super().__init__(config)
        config.validate_features()
        if trained is None and dataset_meta is None:
            raise InputError(
                "a new policy of type dist2 is fitted to data: train it with lerobot-train and a dataset, or load one "
                "with --policy.path"
            )
        self._loss: nn.Module | None = None
        self.policy, self.manifest = trained or new_policy(config, Path(dataset_meta.root))
        if trained and dataset_meta is not None:
            self.manifest = replace(self.manifest, dataset=fine_tuned_on(self.manifest, Path(dataset_meta.root)))
        if dataset_meta is not None:
            self._build_loss()  # here, for a loss that does not go with the rest to be told of at once
        self._steps = self.manifest.step
        self._golden: dict[str, Tensor] = {}
        self._last_seen: Observation | None = None
        self.reset()

    @classmethod
    def from_pretrained(  # type: ignore[override]  # LeRobot's is not strict, nor does it look at what it loads
        cls,
        pretrained_name_or_path: str | Path,
        *,
        config: PreTrainedConfig | None = None,
        revision: str | None = None,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        **kwargs: Any,
    ) -> "Dist2Policy":
        """Load a checkpoint, ours or one that LeRobot saved, from a folder or from the hub; always strict.

        Raises:
            InputError: It is damaged, or the options ask for another policy than the one it holds.
        """
        folder = Path(pretrained_name_or_path)
        if not folder.is_dir():
            folder = Path(
                snapshot_download(
                    str(pretrained_name_or_path),
                    revision=revision,
                    force_download=force_download,
                    token=token,
                    cache_dir=cache_dir,
                    local_files_only=local_files_only,
                    allow_patterns=["*.json", "*.safetensors"],
                )
            )
        check_lerobot_files(folder)
        policy, manifest = load_policy(folder)
        config = config or _read_config(folder)
        assert isinstance(config, Dist2Config)
        if folder != Path(pretrained_name_or_path):  # LeRobot reads its pipelines from what was looked at, not anew
            config.pretrained_path = folder
        with naming(folder):
            _keep(config, policy)
            instance = cls(config, trained=(policy, manifest), **kwargs)
        if GOLDEN_FILE in manifest.files:
            instance._golden = read_tensors(folder, manifest, GOLDEN_FILE)
        return instance.to(torch.device(config.device or "cpu")).eval()

    def get_optim_params(self) -> Iterable[nn.Parameter]:  # type: ignore[override]  # an optimiser takes both
        return self.parameters()

    def reset(self) -> None:
        """Begin an episode: forget what was seen and what was to be done."""
        self.policy.reset()
        self._moments: deque[dict[str, Tensor]] = deque(maxlen=self.policy.observation.history)
        self._to_do: deque[Tensor] = deque()

    def update(self) -> None:
        """Count a training step; LeRobot calls it after each."""
        self._steps += 1

    def forward(self, batch: dict[str, Any], reduction: str = "mean") -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a batch and its parts; with ``reduction="none"`` of each row, (B,)."""
        ours, loss = to_batch(batch, self.policy.observation), self._build_loss()
        if self.training:
            self._last_seen = _first_rows(ours.observation)
        if reduction == "none":
            each = [self.policy.loss(loss, row).loss for row in ours.split(len(ours.actions))]
            return torch.stack(each), {}
        output: LossOutput = self.policy.loss(loss, ours)
        return output.loss, {name: part.item() for name, part in output.parts.items()}

    @torch.no_grad()
    def predict_action_chunk(self, batch: dict[str, Any], **kwargs: Any) -> Tensor:
        """Return the next actions, (B, T, A). Raises ValueError where what is seen is not finite, or not all there."""
        return self._act(self._look(batch))

    @torch.no_grad()
    def select_action(self, batch: dict[str, Any], **kwargs: Any) -> Tensor:
        """Return the next action, (B, A): of the last chunk, or of a new one where that is used up."""
        observation = self._look(batch)
        if not self._to_do:
            self._to_do.extend(self._act(observation)[:, : self.config.n_action_steps].unbind(dim=1))
        return self._to_do.popleft()

    def _act(self, observation: Observation) -> Tensor:
        was_training = self.policy.training
        actions = self.policy.eval().act(observation).actions
        self.policy.train(was_training)
        return actions

    def _look(self, batch: Mapping[str, Any]) -> Observation:
        """Return what is seen, with the moments before; at the beginning of an episode its first one is repeated."""
        seen = to_observation(batch, self.policy.observation)
        if self.policy.observation.history == 1:
            return seen
        self._moments.append(dict(seen.features))
        moments = list(self._moments)
        moments = [moments[0]] * (self.policy.observation.history - len(moments)) + moments
        return replace(seen, features={name: torch.stack([m[name] for m in moments], dim=1) for name in seen.features})

    def _build_loss(self) -> nn.Module:
        if self._loss is None:
            tokenizer = self.policy.tokenizer if isinstance(self.policy, DiscretePolicy) else None
            loss = build_loss(tokenizer, self.config.training_config()["loss"], getattr(self.policy, "token_ids", None))
            self._loss = loss.to(next(self.policy.parameters()).device)
        return self._loss

    def _save_pretrained(self, save_directory: Path, state_dict: dict[str, Tensor] | None = None) -> None:
        """Write a checkpoint of ours, and LeRobot's config. What else the folder holds stays."""
        model = self.policy.state_dict()
        if state_dict is not None:  # of weights that are shared out, gathered
            model = {name.removeprefix(_INNER): x for name, x in state_dict.items() if name.startswith(_INNER)}
        tasks = self.manifest.golden_tasks
        golden = self._golden
        if self._last_seen is not None and state_dict is None:
            was_training = self.policy.training
            golden = golden_tensors(self.policy.eval(), self._last_seen)
            self.policy.train(was_training)
            tasks = list(self._last_seen.tasks or ())
        manifest = replace(
            self.manifest,
            policy=self.policy.config(),
            step=self._steps,
            provenance=provenance(),
            golden_tasks=tasks,
        )
        write_checkpoint(save_directory, manifest, model, {GOLDEN_FILE: golden} if golden else None)
        self.config._save_pretrained(save_directory)


def _read_config(folder: Path) -> Dist2Config:
    """Return what LeRobot's own config of a checkpoint says. Raises InputError where LeRobot cannot read it."""
    path = folder / CONFIG_FILE
    try:
        with naming(path):
            config = PreTrainedConfig.from_pretrained(folder)
    except (DraccusException, ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"'{path}' cannot be read by LeRobot ({reason}): the checkpoint is damaged") from error
    if not isinstance(config, Dist2Config):
        raise InputError(f"'{path}' is of a policy of type '{config.type}', not dist2: load it with LeRobot")
    return config


def _first_rows(observation: Observation) -> Observation:
    features = {name: x[:_GOLDEN_ROWS].detach().clone() for name, x in observation.features.items()}
    return Observation(features, observation.tasks and observation.tasks[:_GOLDEN_ROWS])


def _keep(config: Dist2Config, policy: Policy) -> None:
    """Give a trained policy what may be chosen anew. Raises InputError where the config asks for another policy."""
    sizes = {name: value for name, value in getattr(policy, "sizes", {}).items() if getattr(config, name, None)}
    for name, value in {**choices(policy.config()), **sizes}.items():
        if name not in _MAY_CHANGE and getattr(config, name) != value:
            raise InputError(
                f"the checkpoint was trained with {name}={value}, not {getattr(config, name)}: leave --policy.{name} "
                "out, or train a new policy with --policy.type=dist2"
            )
    if isinstance(policy, DiscretePolicy):
        try:
            policy.decoding = config.decoding
        except ValueError as error:
            raise InputError(str(error)) from error
