"""What every training does round its loop, whatever it trains."""

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.checkpoints.store import load_policy, read_tensors
from dist2_robot.cli.checkpoint_saver import WALL_TIME
from dist2_robot.cli.dataset import TrainingData
from dist2_robot.cli.run_folder import has_summary, last_checkpoint, prepare, record_changes
from dist2_robot.cli.success_checks import SuccessChecks
from dist2_robot.cli.trackers import check_trackers, new_tracker
from dist2_robot.data.batches import BatchStream
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.errors import InputError
from dist2_robot.policies.learner import Learner
from dist2_robot.printable import printable
from dist2_robot.seeding import stream_seed
from dist2_robot.tracking.protocol import Tracker, Trackers
from dist2_robot.training.config import TrainerConfig
from dist2_robot.training.patience import Patience
from dist2_robot.training.state import STATE_FILE, check_training_state
from dist2_robot.training.stop import EXIT_CODE, TrainingStoppedError
from dist2_robot.training.trainer import Trainer, TrainingFailedError

Load = Callable[[Path], tuple[Learner, Manifest]]


@dataclass(frozen=True)
class Resumed:
    """Where a training goes on: the tensors of its state, its step, and how long it took up to there."""

    state: dict[str, Tensor]
    step: int
    wall_time_s: float

    def is_finished(self, output: Path, settings: TrainerConfig) -> bool:
        """Tell whether there is nothing left to do: it took its last step, or was out of patience, and wrote it all."""
        is_over = self.step >= settings.steps or Patience.restored(settings.patience, self.state).is_over
        return is_over and has_summary(output, self.step)


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
) -> Resumed | None:
    """Make or continue the run folder, the first process before the others; return None to start anew."""
    resume = config["resume"]
    check_trackers(config["tracker"])
    with processes.main_process_first():
        checkpoint = last_checkpoint(output) if resume else None
        if processes.is_main_process:
            may_differ = config["resume_changed"]
            checkpoint = prepare(output, config, resume=resume, overwrite=config["overwrite"], may_differ=may_differ)
    resumed = _load_checkpoint(checkpoint, policy, data, load) if checkpoint else None
    if resume and processes.is_main_process:
        record_changes(output, config, resumed.step if resumed else 0)
    return resumed


def _load_checkpoint(checkpoint: Path, policy: Learner, data: TrainingData, load: Load) -> Resumed:
    """Give the policy the averaged weights of a checkpoint; return how the training goes on from it."""
    loaded, manifest = load(checkpoint)
    if manifest.dataset.get("fingerprint") != data.table.fingerprint:
        raise InputError(f"cannot resume from '{checkpoint}': '{data.name}' has changed, give another output=")
    known = manifest.observation_units
    if loaded.spec != policy.spec or (known and known != data.observation_units):
        raise InputError(
            f"cannot resume from '{checkpoint}': what its numbers mean has changed since, by dataset.spec, env.action "
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
    took_s = manifest.provenance.get(WALL_TIME)  # which older checkpoints do not tell
    return Resumed(state, manifest.step, float(took_s) if isinstance(took_s, int | float) else 0.0)


def open_tracker(
    config: Mapping[str, Any], output: Path, resumed: Resumed | None, processes: Accelerator
) -> AbstractContextManager[Tracker]:
    """Return what takes the records of the first process, and is closed at the end."""
    if not processes.is_main_process:
        return closing(Trackers())
    return closing(new_tracker(config, output, resumed.step if resumed else 0))


def run_training(trainer: Trainer, batches: BatchStream, checks: SuccessChecks | None) -> int:
    """Train, make the success checks that are left, and return the exit code."""
    with closing(checks) if checks else nullcontext():
        try:
            if checks:
                checks.resume(trainer.step)
            trainer.run(batches.from_step(trainer.step))
            if trainer.patience.is_over:
                trainer.accelerator.print(f"out of patience: the training ended at step {trainer.step}")
            if checks:
                checks.wait()
            return 0
        except (TrainingFailedError, TrainingStoppedError) as error:
            print(printable(f"dist2-train: {error}"), file=sys.stderr)
            return EXIT_CODE if isinstance(error, TrainingStoppedError) else 1
