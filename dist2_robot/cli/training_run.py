"""What every training does round its loop, whatever it trains."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.checkpoints.store import load_policy, read_tensors
from dist2_robot.cli.dataset import TrainingData
from dist2_robot.cli.run_folder import last_checkpoint, prepare, record_changes
from dist2_robot.cli.success_checks import SuccessChecks
from dist2_robot.cli.trackers import check_trackers
from dist2_robot.data.batches import BatchStream
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.errors import InputError
from dist2_robot.policies.learner import Learner
from dist2_robot.seeding import stream_seed
from dist2_robot.tracking.protocol import Tracker
from dist2_robot.training.state import STATE_FILE, check_training_state
from dist2_robot.training.stop import EXIT_CODE, TrainingStoppedError
from dist2_robot.training.trainer import Trainer, TrainingFailedError

Load = Callable[[Path], tuple[Learner, Manifest]]


def prepare_torch(config: Mapping[str, Any]) -> None:
    """Set threads, determinism and seed."""
    if config["threads"] is not None:
        if not isinstance(config["threads"], int) or config["threads"] < 1:
            raise InputError(f"threads must be at least 1, got {config['threads']!r}")
        torch.set_num_threads(config["threads"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.manual_seed(stream_seed(config["seed"], "train"))


def new_batches(
    windows: ChunkWindows, batch_size: int, config: Mapping[str, Any], processes: Accelerator
) -> BatchStream:
    """Return this process's part of the batches. Raises InputError where there is no such part."""
    try:
        return BatchStream(
            windows,
            batch_size,
            config["seed"],
            weights=config["dataset"]["weights"],
            process=processes.process_index,
            processes=processes.num_processes,
        )
    except ValueError as error:
        raise InputError(f"trainer.batch_size or dataset.weights: {error}") from error


def open_run(
    output: Path,
    config: Mapping[str, Any],
    policy: Learner,
    data: TrainingData,
    processes: Accelerator,
    load: Load = load_policy,
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
    resumed = _load_checkpoint(checkpoint, policy, data, load) if checkpoint else None
    if resume and processes.is_main_process:
        record_changes(output, config, resumed[1] if resumed else 0)
    return resumed


def _load_checkpoint(
    checkpoint: Path, policy: Learner, data: TrainingData, load: Load
) -> tuple[dict[str, Tensor], int]:
    """Give the policy the averaged weights of a checkpoint; return the state of the training and its step."""
    loaded, manifest = load(checkpoint)
    if manifest.dataset.get("fingerprint") != data.table.fingerprint:
        raise InputError(f"cannot resume from '{checkpoint}': '{data.name}' has changed, give another output=")
    if loaded.spec != policy.spec:
        raise InputError(
            f"cannot resume from '{checkpoint}': what its actions mean has changed since, by dataset.spec, env.action "
            f"or '{data.name}': put it back, or give another output="
        )
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


def run_training(trainer: Trainer, batches: BatchStream, checks: SuccessChecks | None, tracker: Tracker) -> int:
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
