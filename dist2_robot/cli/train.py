"""dist2-train: a dataset to a checkpoint."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from dist2_robot.actions.constants import count_dimensions
from dist2_robot.actions.told_spec import told_by_environment
from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.checkpoints.store import load_policy, numbered_checkpoints
from dist2_robot.cli.app import run_command
from dist2_robot.cli.checkpoint_saver import CheckpointSaver
from dist2_robot.cli.dataset import TrainingData, load_training_data
from dist2_robot.cli.device import choose_device
from dist2_robot.cli.environments import check_fits, choose_environments
from dist2_robot.cli.folder_lock import locked
from dist2_robot.cli.held_out import HELD_OUT_FILE, validation_record, write_scores
from dist2_robot.cli.new_policy import new_policy
from dist2_robot.cli.objective import objective
from dist2_robot.cli.success_checks import SuccessChecks
from dist2_robot.cli.train_frames import train_frames
from dist2_robot.cli.training_run import new_batches, open_run, open_tracker, prepare_torch, run_training
from dist2_robot.errors import InputError
from dist2_robot.evaluation.compare import format_rate
from dist2_robot.json_file import write_json
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.frame_predictor import FRAME_PREDICTOR
from dist2_robot.policies.policy import Policy
from dist2_robot.rollouts.environment import EnvironmentSpec
from dist2_robot.training.augmentation import Augmentation
from dist2_robot.training.committed import RandomPrefix
from dist2_robot.training.config import TrainerConfig
from dist2_robot.training.examples import distribution_examples
from dist2_robot.training.processes import join_processes, leave_processes
from dist2_robot.training.stop import EXIT_CODE, on_sigterm
from dist2_robot.training.trainer import Trainer
from dist2_robot.types import ACTION

ABOUT = """
Train a policy over action tokens from recorded demonstrations.

  dist2-train env=metaworld task=push-v3 dataset.root=data/push output=runs/push
  dist2-train env=none dataset.root=my_teleoperated_data trainer.steps=5000
  dist2-train dataset.root=data/push experiment=one_hot output=runs/one_hot
  dist2-train policy=frame_predictor dataset.root=data/push_frames dataset.image_size=32   # predicts pictures
  dist2-train -m dataset.root=data/push loss=dist2_energy,cross_entropy seed=0,1,2 output=runs/losses   # a sweep

Killed? The same command with resume=true goes on where the last checkpoint was, to the bit. SIGTERM saves one first.
In a sweep (-m) each training has a folder of its own in output=, named by what is swept. The same command with
resume=auto skips those that are finished, goes on with those that are not, and starts the missing ones.
"""

SOURCES = {"file": "what is told, and data"}  # of limits


def train(config: dict[str, Any], is_stopped: Callable[[], bool] = lambda: False) -> int:
    """Train what a config says, and let no other process train in the same folder meanwhile."""
    processes = join_processes(cpu=choose_device(config["device"]).type == "cpu")
    with locked(Path(config["output"])) if processes.is_main_process else nullcontext():
        recipe = train_frames if config["policy"]["name"] == FRAME_PREDICTOR else train_policy
        return recipe(config, processes, is_stopped)


def train_policy(config: dict[str, Any], processes: Accelerator, is_stopped: Callable[[], bool]) -> int:
    """Data, environment, policy, loss, run folder, trainer, run."""
    output, settings = Path(config["output"]), TrainerConfig(**config["trainer"])
    change_pictures = Augmentation(**config["augmentation"])
    device = choose_device(config["device"]) if processes.num_processes == 1 else processes.device
    prepare_torch(config)
    sizes, target = config["policy"], config["policy"].get("target", ACTION)
    data = load_training_data(
        config["dataset"],
        sizes["horizon"],
        config["seed"],
        history=sizes["history"],
        target=target,
        told=told_by_environment(config["env"]),
    )
    environments = choose_environments(config["env"], data.environments)
    for environment in environments:
        check_fits(environment, data.spec, data.observation_names, f"dataset '{data.name}'")
    if settings.evaluate_every and not environments:
        raise InputError("trainer.evaluate_every needs an environment: pass env=..., or leave it at 0")
    policy = new_policy(config, data).to(device)
    commit = RandomPrefix(data.spec, policy.max_prefix, sizes.get("prefix_noise", 0.0))
    loss = build_loss(getattr(policy, "tokenizer", None), config["loss"], getattr(policy, "token_ids", None)).to(device)
    batches = new_batches(data.training, settings.batch_size, config, processes)

    config = {**config, "name": config["name"] or output.name, "processes": processes.num_processes}
    resumed = open_run(output, config, policy, data, processes)
    if resumed and resumed.is_finished(output, settings):
        processes.print(f"'{output}' is finished, and stays as it is")
        return 0
    save = CheckpointSaver(output, data, environments, policy, resumed.wall_time_s if resumed else 0.0)
    with open_tracker(config, output, resumed, processes) as tracker:
        checks = None
        if settings.evaluate_every and processes.is_main_process:
            checks = SuccessChecks(output, config["evaluation"], save.write, tracker)
        trainer = Trainer(
            policy,
            loss,
            settings,
            tracker=tracker,
            validate=(lambda p: validation_record(p, loss, data.held_out, device)) if len(data.held_out) else None,
            evaluate=checks,
            save=save,
            is_stopped=is_stopped,
            seed=config["seed"],
            augment=lambda batch: commit(change_pictures(batch)),
            accelerator=processes,
        )
        if resumed:
            trainer.restore(resumed.state, resumed.step)
        processes.print(_headline(data, policy, environments, settings))
        for remark in data.remarks():
            processes.print(remark)
        code = run_training(trainer, batches, checks)
    if code == 0 and processes.is_main_process:
        _write_summary(output, data, loss, device)
        if checks and checks.best:
            rate = format_rate(checks.best["success_rate"], checks.best["success_interval"])
            print(f"best: step {checks.best['step']}, success {rate} of {checks.best['episodes']} episodes")
    if code in (0, EXIT_CODE):  # after a failure the others may not be there any more
        leave_processes(processes)
    return code


def _write_summary(output: Path, data: TrainingData, loss: nn.Module, device: torch.device) -> None:
    """Write what reports draw, and say what came out."""
    checkpoint = numbered_checkpoints(output)[-1]  # of the last step, whichever had most success
    policy, manifest = load_policy(checkpoint, str(device))
    windows = data.held_out if len(data.held_out) else data.training
    examples = distribution_examples(policy, loss, windows, device)
    write_json(output / "examples.json", examples, indent=None)
    if len(data.held_out):
        about = {"checkpoint": str(checkpoint), "step": manifest.step, "fingerprint": data.table.fingerprint}
        write_scores(policy, data.held_out, output / HELD_OUT_FILE, about)
    summary = {
        "steps": manifest.step,
        "parameters": sum(p.numel() for p in policy.parameters()),
        "device": str(device),
        "dataset": data.describe(),
        **manifest.provenance,
    }
    write_json(output / "summary.json", summary)
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
        f"{count_dimensions(data.spec)} (limits from {SOURCES.get(data.spec.source, data.spec.source)}), {tokens}; "
        f"{parameters:,} parameters, {config.steps} steps; environment: {', '.join(map(str, environments)) or 'none'}"
    )


def _train_until_told(config: dict[str, Any]) -> int:
    with on_sigterm() as is_stopped:
        return train(config, is_stopped)


def main() -> None:
    run_command("dist2-train", "train", ABOUT, _train_until_told, objective)


if __name__ == "__main__":
    main()
