"""dist2-train: a dataset to a checkpoint."""

import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.checkpoints.compatibility import check_compatible
from dist2_robot.checkpoints.golden import GOLDEN_FILE, golden_tensors
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.checkpoints.provenance import provenance
from dist2_robot.checkpoints.registry import build_loss, build_policy, build_tokenizer
from dist2_robot.checkpoints.store import load_policy, numbered_checkpoints, read_tensors, save_checkpoint
from dist2_robot.cli.app import run_command
from dist2_robot.cli.dataset import TrainingData, load_training_data
from dist2_robot.cli.device import choose_device
from dist2_robot.cli.environments import check_fits, choose_environments
from dist2_robot.cli.evaluate import evaluate_policy
from dist2_robot.cli.run_folder import prepare
from dist2_robot.data.batches import BatchStream
from dist2_robot.errors import InputError
from dist2_robot.evaluation.summary import summarise
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.rollouts.environment import EnvironmentSpec
from dist2_robot.seeding import stream_seed
from dist2_robot.tracking.jsonl import JsonlTracker
from dist2_robot.tracking.protocol import Tracker, Trackers
from dist2_robot.tracking.wandb import WandbTracker
from dist2_robot.training.config import TrainerConfig
from dist2_robot.training.examples import distribution_examples
from dist2_robot.training.state import STATE_FILE
from dist2_robot.training.stop import EXIT_CODE, TrainingStoppedError, on_sigterm
from dist2_robot.training.trainer import Trainer, TrainingFailedError
from dist2_robot.training.validation import validate
from dist2_robot.types import ObservationSpec

ABOUT = """
Train a policy over action tokens from recorded demonstrations.

  dist2-train env=metaworld task=push-v3 dataset.root=data/push output=runs/push
  dist2-train env=none dataset.root=my_teleoperated_data trainer.steps=5000
  dist2-train dataset.root=data/push loss=cross_entropy head=free output=runs/one_hot

Killed? The same command with resume=true goes on where the last checkpoint was, to the bit. SIGTERM saves one first.
"""
KEPT_CHECKPOINTS = 2


def train(config: dict[str, Any], is_stopped: Callable[[], bool] = lambda: False) -> int:
    """Data, environment, policy, loss, trainer, run."""
    output, device = Path(config["output"]), choose_device(config["device"])
    trainer_config = TrainerConfig(**config["trainer"])
    if config["threads"] is not None:
        if not isinstance(config["threads"], int) or config["threads"] < 1:
            raise InputError(f"threads must be at least 1, got {config['threads']!r}")
        torch.set_num_threads(config["threads"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.manual_seed(stream_seed(config["seed"], "train"))

    sizes = config["policy"]
    data = load_training_data(config["dataset"], sizes["horizon"], config["seed"], history=sizes["history"])
    environments = choose_environments(config["env"], data.environments)
    for environment in environments:
        check_fits(environment, data.spec, data.observation_names, f"dataset '{data.name}'")
    policy = _new_policy(config, data).to(device)
    token_ids = getattr(policy, "token_ids", None)
    loss = build_loss(getattr(policy, "tokenizer", None), config["loss"], token_ids).to(device)

    success_check = _success_check(config["evaluation"], environments) if trainer_config.evaluate_every else None
    config = {**config, "name": config["name"] or output.name}
    checkpoint = prepare(output, config, resume=config["resume"], overwrite=config["overwrite"])
    resumed = _load_checkpoint(checkpoint, policy, data) if checkpoint else None
    tracker = _new_tracker(config, output, resumed[1] if resumed else 0)
    save = _Saver(output, data, environments, policy)
    trainer = Trainer(
        policy,
        loss,
        trainer_config,
        tracker=tracker,
        validate=(lambda p: validate(p, loss, data.held_out, device).record(p)) if len(data.held_out) else None,
        evaluate=success_check,
        save=save,
        is_stopped=is_stopped,
    )
    if resumed:
        trainer.restore(*resumed)

    print(_headline(data, policy, environments, trainer_config))
    clock = time.monotonic()
    try:
        trainer.run(BatchStream(data.training, trainer_config.batch_size, config["seed"]).from_step(trainer.step))
    except TrainingFailedError as error:
        print(f"dist2-train: {error}", file=sys.stderr)
        return 1
    except TrainingStoppedError as error:
        print(f"dist2-train: {error}", file=sys.stderr)
        return EXIT_CODE
    finally:
        tracker.close()
    _write_summary(output, data, loss, device, time.monotonic() - clock)
    return 0


def _new_policy(config: Mapping[str, Any], data: TrainingData) -> Policy:
    """Build the policy of a config and fit it to the training frames."""
    policy_config = {**config["policy"], **_eyes_and_ears(config, data.observation)}
    del policy_config["history"]  # part of the observation
    fitted = None
    if policy_config["name"] != "regression":
        tokenizer_config = {**config["tokenizer"], "horizon": policy_config.pop("horizon")}
        tokenizer = build_tokenizer(data.spec, tokenizer_config)
        check_compatible(tokenizer, head=config["head"]["name"], decoding=config["decoding"], loss=config["loss"])
        actions, is_padding = data.training.chunks(torch.arange(len(data.training)))
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
    return policy


def _eyes_and_ears(config: Mapping[str, Any], observation: ObservationSpec) -> dict[str, Any]:
    """Return the part of a policy's config about what it observes; who does but one thing need not be told."""
    reads = config["policy"]["name"] == "language_model"  # a prompt, which holds the task whatever there is to choose
    is_told = not reads and config["instruction"]["name"] != "none" and len(observation.tasks) > 1
    seen = observation if reads or is_told else replace(observation, tasks=())
    return {
        "observation": seen.to_dict(),
        "vision": config["vision"] if observation.pictures else None,
        "instruction": config["instruction"] if is_told else None,
    }


def _load_checkpoint(checkpoint: Path, policy: Policy, data: TrainingData) -> tuple[dict[str, Tensor], int]:
    """Give the policy the averaged weights of a checkpoint; return the state of the training and its step."""
    loaded, manifest = load_policy(checkpoint)
    if manifest.dataset["fingerprint"] != data.table.fingerprint:
        raise InputError(f"cannot resume from '{checkpoint}': '{data.name}' has changed, give another output=")
    policy.load_state_dict(loaded.state_dict())
    return read_tensors(checkpoint, manifest, STATE_FILE), manifest.step


def _new_tracker(config: Mapping[str, Any], output: Path, resume_step: int) -> Tracker:
    jsonl = JsonlTracker(output / "metrics.jsonl", resume_step)
    tracker = config["tracker"]
    if tracker["name"] == "jsonl":
        return jsonl
    if tracker["name"] == "wandb":
        return Trackers(jsonl, WandbTracker(output, tracker["project"], config["name"], config))
    raise InputError(f"there is no tracker '{tracker['name']}'. Known: jsonl, wandb")


def _success_check(config: Mapping[str, Any], environments: Sequence[EnvironmentSpec]) -> Any:
    if not environments:
        raise InputError("trainer.evaluate_every needs an environment: pass env=..., or leave it at 0")

    def check(policy: Policy) -> dict[str, Any]:
        results = [evaluate_policy(policy, each, **config, workers=None, batch_size=16) for each in environments]
        together = summarise([episode for result in results for episode in result["per_episode"]])
        return {k: together[k] for k in ("success_rate", "success_interval", "episodes", "errors")}

    return check


class _Saver:
    """Writes a checkpoint and keeps the last two."""

    def __init__(
        self, output: Path, data: TrainingData, environments: Sequence[EnvironmentSpec], policy: Policy
    ) -> None:
        self.output, self.data, self.environments, self.policy = output, data, environments, policy
        self.provenance = provenance()

    def __call__(self, model: dict[str, Tensor], state: dict[str, Tensor], step: int) -> None:
        averaged = deepcopy(self.policy)
        averaged.load_state_dict(model)
        windows = self.data.held_out if len(self.data.held_out) else self.data.training
        seen = windows.gather(torch.linspace(0, len(windows) - 1, 4).long()).observation
        manifest = Manifest(
            policy=self.policy.config(),
            action_spec=self.policy.spec.to_dict(),
            observation_names=self.data.observation_names,
            environments=[{"id": each.id, "kwargs": dict(each.kwargs)} for each in self.environments],
            tasks=list(self.data.table.tasks),
            dataset=self.data.describe(),
            step=step,
            provenance=self.provenance,
            golden_tasks=list(seen.tasks or ()),
        )
        folder = self.output / "checkpoints" / f"step_{step:07d}"
        save_checkpoint(
            folder, manifest, model, {GOLDEN_FILE: golden_tensors(averaged.eval(), seen), STATE_FILE: state}
        )
        for old in numbered_checkpoints(self.output)[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(old)


def _write_summary(output: Path, data: TrainingData, loss: nn.Module, device: torch.device, wall_time_s: float) -> None:
    """Write what reports draw, and say what came out."""
    policy, manifest = load_policy(output, str(device))
    windows = data.held_out if len(data.held_out) else data.training
    examples = distribution_examples(policy, loss, windows, device)
    (output / "examples.json").write_text(json.dumps(examples))
    summary = {
        "wall_time_s": wall_time_s,
        "steps": manifest.step,
        "parameters": sum(p.numel() for p in policy.parameters()),
        "device": str(device),
        "dataset": data.describe(),
        **manifest.provenance,
    }
    (output / "summary.json").write_text(json.dumps(summary, indent=1))
    if len(data.held_out):
        result = validate(policy, loss, data.held_out, device)
        units = dict(zip(policy.spec.names, policy.spec.units, strict=True))
        print("held-out action error (mean absolute):")
        for name, error in result.action_error.items():
            print(f"  {name:<20} {error:.4g} {units[name]}")
    print(f"checkpoint: {output / 'checkpoints' / f'step_{manifest.step:07d}'}")


def _headline(
    data: TrainingData, policy: Policy, environments: Sequence[EnvironmentSpec], config: TrainerConfig
) -> str:
    parameters = sum(p.numel() for p in policy.parameters())
    tokens = f"chunks of {policy.horizon} steps"
    if isinstance(policy, DiscretePolicy):
        tokens = f"{policy.tokenizer.tokens_per_chunk} tokens of {policy.tokenizer.vocab_size} a chunk"
    return (
        f"{data.episodes} episodes, {len(data.training)} frames to learn from, {len(data.held_out)} held out; "
        f"{len(data.spec)} action dimensions (limits from {data.spec.source}), {tokens}; "
        f"{parameters:,} parameters, {config.steps} steps; environment: {', '.join(map(str, environments)) or 'none'}"
    )


def _train_until_told(config: dict[str, Any]) -> int:
    with on_sigterm() as is_stopped:
        return train(config, is_stopped)


def main() -> None:
    run_command("dist2-train", "train", ABOUT, _train_until_told)


if __name__ == "__main__":
    main()
