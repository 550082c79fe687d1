"""dist2-train: a dataset to a checkpoint."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.checkpoints.store import load_policy, numbered_checkpoints, read_tensors
from dist2_robot.cli.app import run_command
from dist2_robot.cli.checkpoint_saver import CheckpointSaver
from dist2_robot.cli.dataset import TrainingData, load_training_data
from dist2_robot.cli.device import choose_device
from dist2_robot.cli.environments import check_fits, choose_environments
from dist2_robot.cli.new_policy import new_policy
from dist2_robot.cli.objective import objective
from dist2_robot.cli.run_folder import is_finished, last_checkpoint, prepare, record_changes
from dist2_robot.cli.success_checks import SuccessChecks
from dist2_robot.cli.trackers import check_trackers, new_tracker
from dist2_robot.data.batches import BatchStream
from dist2_robot.errors import InputError
from dist2_robot.evaluation.compare import format_rate
from dist2_robot.json_file import write_json
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.rollouts.environment import EnvironmentSpec
from dist2_robot.seeding import stream_seed
from dist2_robot.tracking.protocol import Tracker, Trackers
from dist2_robot.training.augmentation import Augmentation
from dist2_robot.training.committed import RandomPrefix
from dist2_robot.training.config import TrainerConfig
from dist2_robot.training.examples import distribution_examples
from dist2_robot.training.processes import join_processes, leave_processes
from dist2_robot.training.state import STATE_FILE, check_training_state
from dist2_robot.training.stop import EXIT_CODE, TrainingStoppedError, on_sigterm
from dist2_robot.training.trainer import Trainer, TrainingFailedError
from dist2_robot.training.validation import validate
from dist2_robot.types import ACTION

ABOUT = """
Train a policy over action tokens from recorded demonstrations.

  dist2-train env=metaworld task=push-v3 dataset.root=data/push output=runs/push
  dist2-train env=none dataset.root=my_teleoperated_data trainer.steps=5000
  dist2-train dataset.root=data/push experiment=one_hot output=runs/one_hot
  dist2-train -m dataset.root=data/push loss=dist2_energy,cross_entropy seed=0,1,2 output=runs/losses   # a sweep

Killed? The same command with resume=true goes on where the last checkpoint was, to the bit. SIGTERM saves one first.
In a sweep (-m) each training has a folder of its own in output=, named by what is swept. The same command with
resume=auto skips those that are finished, goes on with those that are not, and starts the missing ones.
"""


def train(config: dict[str, Any], is_stopped: Callable[[], bool] = lambda: False) -> int:
    """Data, environment, policy, loss, run folder, trainer, run."""
    output, settings = Path(config["output"]), TrainerConfig(**config["trainer"])
    change_pictures = Augmentation(**config["augmentation"])
    device = choose_device(config["device"])
    processes = join_processes(cpu=device.type == "cpu")
    device = device if processes.num_processes == 1 else processes.device
    _prepare_torch(config)
    sizes, target = config["policy"], config["policy"].get("target", ACTION)
    data = load_training_data(
        config["dataset"], sizes["horizon"], config["seed"], history=sizes["history"], target=target
    )
    environments = choose_environments(config["env"], data.environments)
    for environment in environments:
        check_fits(environment, data.spec, data.observation_names, f"dataset '{data.name}'")
    if settings.evaluate_every and not environments:
        raise InputError("trainer.evaluate_every needs an environment: pass env=..., or leave it at 0")
    policy = new_policy(config, data).to(device)
    commit = RandomPrefix(data.spec, policy.max_prefix, sizes.get("prefix_noise", 0.0))
    loss = build_loss(getattr(policy, "tokenizer", None), config["loss"], getattr(policy, "token_ids", None)).to(device)
    batches = _new_batches(data, settings.batch_size, config, processes)

    config = {**config, "name": config["name"] or output.name, "processes": processes.num_processes}
    resumed = _open_run(output, config, policy, data, processes)
    if config["resume"] == "auto" and is_finished(output, settings.steps):
        processes.print(f"'{output}' is finished, and stays as it is")
        return 0
    tracker: Tracker = Trackers()
    if processes.is_main_process:
        tracker = new_tracker(config, output, resumed[1] if resumed else 0)
    save = CheckpointSaver(output, data, environments, policy)
    checks = None
    if settings.evaluate_every and processes.is_main_process:
        checks = SuccessChecks(output, config["evaluation"], save.write, tracker)
    trainer = Trainer(
        policy,
        loss,
        settings,
        tracker=tracker,
        validate=(lambda p: validate(p, loss, data.held_out, device).record(p)) if len(data.held_out) else None,
        evaluate=checks,
        save=save,
        is_stopped=is_stopped,
        seed=config["seed"],
        augment=lambda batch: commit(change_pictures(batch)),
        accelerator=processes,
    )
    if resumed:
        trainer.restore(*resumed)
    processes.print(_headline(data, policy, environments, settings))
    clock = time.monotonic()
    code = _run(trainer, batches, checks, tracker)
    if code == 0 and processes.is_main_process:
        _write_summary(output, data, loss, device, time.monotonic() - clock)
        if checks and checks.best:
            rate = format_rate(checks.best["success_rate"], checks.best["success_interval"])
            print(f"best: step {checks.best['step']}, success {rate} of {checks.best['episodes']} episodes")
    if code in (0, EXIT_CODE):  # after a failure the others may not be there any more
        leave_processes(processes)
    return code


def _run(trainer: Trainer, batches: BatchStream, checks: SuccessChecks | None, tracker: Tracker) -> int:
    """Train, wait for the last success check, close what was opened, and return the exit code."""
    try:
        trainer.run(batches.from_step(trainer.step))
        if checks:
            checks.wait()
        return 0
    except (TrainingFailedError, TrainingStoppedError) as error:
        print(f"dist2-train: {error}", file=sys.stderr)
        return EXIT_CODE if isinstance(error, TrainingStoppedError) else 1
    finally:
        if checks:
            checks.close()
        tracker.close()


def _prepare_torch(config: Mapping[str, Any]) -> None:
    """Set threads, determinism and seed."""
    if config["threads"] is not None:
        if not isinstance(config["threads"], int) or config["threads"] < 1:
            raise InputError(f"threads must be at least 1, got {config['threads']!r}")
        torch.set_num_threads(config["threads"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.manual_seed(stream_seed(config["seed"], "train"))


def _new_batches(data: TrainingData, batch_size: int, config: Mapping[str, Any], processes: Accelerator) -> BatchStream:
    """Return this process's part of the batches. Raises InputError where there is no such part."""
    try:
        return BatchStream(
            data.training,
            batch_size,
            config["seed"],
            weights=config["dataset"]["weights"],
            process=processes.process_index,
            processes=processes.num_processes,
        )
    except ValueError as error:
        raise InputError(f"trainer.batch_size or dataset.weights: {error}") from error


def _open_run(
    output: Path, config: Mapping[str, Any], policy: Policy, data: TrainingData, processes: Accelerator
) -> tuple[dict[str, Tensor], int] | None:
    """Make or continue the run folder, the first process before the others.

    Returns the state of the training to go on with and its step, or None to start anew.
    """
    resume = config["resume"]
    check_trackers(config["tracker"])
    with processes.main_process_first():
        checkpoint = last_checkpoint(output) if resume else None
        if processes.is_main_process:
            may_differ = config["resume_changed"]
            checkpoint = prepare(output, config, resume=resume, overwrite=config["overwrite"], may_differ=may_differ)
    resumed = _load_checkpoint(checkpoint, policy, data) if checkpoint else None
    if resume and processes.is_main_process:
        record_changes(output, config, resumed[1] if resumed else 0)
    return resumed


def _load_checkpoint(checkpoint: Path, policy: Policy, data: TrainingData) -> tuple[dict[str, Tensor], int]:
    """Give the policy the averaged weights of a checkpoint; return the state of the training and its step."""
    loaded, manifest = load_policy(checkpoint)
    if manifest.dataset.get("fingerprint") != data.table.fingerprint:
        raise InputError(f"cannot resume from '{checkpoint}': '{data.name}' has changed, give another output=")
    state = read_tensors(checkpoint, manifest, STATE_FILE)
    try:
        policy.load_state_dict(loaded.state_dict())
        check_training_state(policy, state)
    except (RuntimeError, ValueError) as error:  # the first where options were changed on purpose
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"cannot resume from '{checkpoint}', which does not fit the options ({reason}): give the old ones, or "
            "another output="
        ) from error
    return state, manifest.step


def _write_summary(output: Path, data: TrainingData, loss: nn.Module, device: torch.device, wall_time_s: float) -> None:
    """Write what reports draw, and say what came out."""
    checkpoint = numbered_checkpoints(output)[-1]  # of the last step, whichever had most success
    policy, manifest = load_policy(checkpoint, str(device))
    windows = data.held_out if len(data.held_out) else data.training
    examples = distribution_examples(policy, loss, windows, device)
    write_json(output / "examples.json", examples, indent=None)
    summary = {
        "wall_time_s": wall_time_s,
        "steps": manifest.step,
        "parameters": sum(p.numel() for p in policy.parameters()),
        "device": str(device),
        "dataset": data.describe(),
        **manifest.provenance,
    }
    write_json(output / "summary.json", summary)
    if len(data.held_out):
        result = validate(policy, loss, data.held_out, device)
        units = dict(zip(policy.spec.names, policy.spec.units, strict=True))
        print("held-out action error (mean absolute):")
        for name, error in result.action_error.items():
            print(f"  {name:<20} {error:.4g} {units[name]}")
    print(f"checkpoint: {checkpoint}")


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
    run_command("dist2-train", "train", ABOUT, _train_until_told, objective)


if __name__ == "__main__":
    main()
