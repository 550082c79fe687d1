"""dist2-train policy=frame_predictor: recorded pictures to a checkpoint that predicts them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from dist2_robot.checkpoints.frame_predictors import golden_codes, load_frame_predictor
from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.checkpoints.store import numbered_checkpoints
from dist2_robot.cli.checkpoint_saver import CheckpointSaver
from dist2_robot.cli.dataset import TrainingData, load_training_data
from dist2_robot.cli.device import choose_device
from dist2_robot.cli.training_run import new_batches, open_run, open_tracker, prepare_torch, run_training
from dist2_robot.data.future_windows import NEXT, FutureWindows
from dist2_robot.errors import InputError
from dist2_robot.evaluation.frame_measures import psnr
from dist2_robot.evaluation.frame_strip import write_frame_strip
from dist2_robot.json_file import write_json
from dist2_robot.policies.frame_predictor import FramePredictor, told
from dist2_robot.training.config import TrainerConfig
from dist2_robot.training.fresh_frame_predictor import fresh_frame_predictor
from dist2_robot.training.processes import leave_processes
from dist2_robot.training.stop import EXIT_CODE
from dist2_robot.training.trainer import Trainer
from dist2_robot.types import Batch, Observation

STRIP_FILE = "frames.png"
SHOWN = 10  # columns of the strip
VALIDATED = 256  # held-out windows, evenly spaced


class FrameSaver(CheckpointSaver):
    """Writes checkpoints of a frame predictor, with the codes that it writes in place of actions."""

    def golden(self, batch: Batch) -> tuple[Observation, dict[str, Tensor]]:
        seen = told(batch.to(next(self.policy.parameters()).device))
        assert isinstance(self.policy, FramePredictor)
        return seen, golden_codes(self.policy, seen)


def train_frames(config: dict[str, Any], processes: Accelerator, is_stopped: Callable[[], bool]) -> int:
    """Data, codes, frame predictor, loss, run folder, trainer, run."""
    output, settings, sizes = Path(config["output"]), TrainerConfig(**config["trainer"]), config["policy"]
    if settings.evaluate_every:
        raise InputError("a frame predictor acts in no environment: leave trainer.evaluate_every at 0")
    device = choose_device(config["device"]) if processes.num_processes == 1 else processes.device
    prepare_torch(config)
    data = load_training_data(config["dataset"], sizes["horizon"], config["seed"])
    camera = _camera(data, sizes["camera"])
    training, held_out = (FutureWindows(some, camera) for some in (data.training, data.held_out))
    if not len(training):
        raise InputError(f"no episode of '{data.name}' is longer than policy.horizon={sizes['horizon']}: lower it")
    codec = {**sizes["codec"], "seed": config["seed"]}
    predictor = fresh_frame_predictor({**sizes, "codec": codec}, data.spec, data.observation, training).to(device)
    loss = build_loss(predictor.codec, config["loss"]).to(device)
    batches = new_batches(training, settings.batch_size, config, processes)

    config = {**config, "name": config["name"] or output.name, "processes": processes.num_processes}
    resumed = open_run(output, config, predictor, data, processes, load_frame_predictor)
    if resumed and resumed.is_finished(output, settings):
        processes.print(f"'{output}' is finished, and stays as it is")
        return 0
    judged = held_out if len(held_out) else training
    save = FrameSaver(output, data, [], predictor, resumed.wall_time_s if resumed else 0.0)
    with open_tracker(config, output, resumed, processes) as tracker:
        trainer = Trainer(
            predictor,
            loss,
            settings,
            tracker=tracker,
            validate=(lambda p: validate_frames(p, loss, held_out, device)) if len(held_out) else None,
            evaluate=None,
            save=save,
            is_stopped=is_stopped,
            seed=config["seed"],
            accelerator=processes,
        )
        if resumed:
            trainer.restore(resumed.state, resumed.step)
        height, width = predictor.codec.size
        processes.print(
            f"{data.episodes} episodes, {len(training)} pictures of {height} x {width} to predict {sizes['horizon']} "
            f"steps ahead, {len(held_out)} held out; {predictor.codec.tokens} codes of {predictor.codec.vocab_size} a "
            f"picture; {sum(p.numel() for p in predictor.parameters()):,} parameters, {settings.steps} steps"
        )
        code = run_training(trainer, batches, None)
    if code == 0 and processes.is_main_process:
        _write_summary(output, data, judged, loss, device)
    if code in (0, EXIT_CODE):
        leave_processes(processes)
    return code


@torch.no_grad()
def validate_frames(
    predictor: FramePredictor, loss: nn.Module, windows: FutureWindows, device: torch.device
) -> dict[str, float]:
    """Compare predicted pictures with what came, at up to 256 evenly spaced windows.

    Returns:
        ``loss``, of the training; of the most probable codes ``exact_codes``, the share of right ones, and ``psnr_db``
        of the pictures.
    """
    batch = windows.gather(torch.linspace(0, len(windows) - 1, min(len(windows), VALIDATED)).long()).to(device)
    true = batch.observation.features[NEXT + windows.feature]
    codes = predictor.predict(told(batch))
    return {
        "loss": float(predictor.loss(loss, batch).loss),
        "exact_codes": float((codes == predictor.codec.encode(true)).double().mean()),
        "psnr_db": psnr(predictor.codec.decode(codes), true),
    }


def _camera(data: TrainingData, wanted: str | None) -> str:
    cameras = list(data.observation.pictures)
    if wanted is None and len(cameras) == 1:
        return cameras[0]
    if wanted not in cameras:
        raise InputError(f"policy.camera must be one of the cameras of '{data.name}', {cameras}: got {wanted!r}")
    return wanted


def _write_summary(
    output: Path, data: TrainingData, windows: FutureWindows, loss: nn.Module, device: torch.device
) -> None:
    """Write what reports draw, and say what came out."""
    checkpoint = numbered_checkpoints(output)[-1]
    predictor, manifest = load_frame_predictor(checkpoint, str(device))
    write_frame_strip(output / STRIP_FILE, _rows(predictor, windows, device))
    found = validate_frames(predictor, loss, windows, device)
    summary = {
        "steps": manifest.step,
        "parameters": sum(p.numel() for p in predictor.parameters()),
        "device": str(device),
        "dataset": data.describe(),
        "frames": found,
        **manifest.provenance,
    }
    write_json(output / "summary.json", summary)
    print(f"pictures: {found['psnr_db']:.1f} dB, {100 * found['exact_codes']:.0f} % of the codes right")
    print(f"checkpoint: {checkpoint}; pictures: {output / STRIP_FILE}")


def _rows(predictor: FramePredictor, windows: FutureWindows, device: torch.device) -> Mapping[str, Any]:
    """Return what `write_frame_strip` draws of evenly spaced windows."""
    batch = windows.gather(torch.linspace(0, len(windows) - 1, SHOWN).long()).to(device)
    present, true = (batch.observation.features[name] for name in (windows.feature, NEXT + windows.feature))
    decode = predictor.codec.decode
    generator = torch.Generator(device).manual_seed(0)
    rows = {
        "present": present,
        f"true, {windows.horizon} steps later": true,
        "its codes, decoded": decode(predictor.codec.encode(true)),
        "predicted, most probable codes": decode(predictor.predict(told(batch))),
        "predicted, codes drawn": decode(predictor.predict(told(batch), generator)),
    }
    return {name: pictures.cpu().numpy() for name, pictures in rows.items()}
