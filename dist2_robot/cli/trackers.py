"""Where the numbers of a training go, as its config says."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from dist2_robot.checkpoints.store import find_checkpoint
from dist2_robot.tracking.jsonl import JsonlTracker
from dist2_robot.tracking.protocol import Tracker, Trackers
from dist2_robot.tracking.tensorboard import TensorboardTracker, check_installed
from dist2_robot.tracking.wandb import WandbTracker


def check_trackers(config: Mapping[str, Any]) -> None:
    """Raise InputError if a tracker that is asked for cannot be had."""
    if config.get("tensorboard"):
        check_installed()


def new_tracker(config: Mapping[str, Any], output: Path, resume_step: int) -> Tracker:
    """Return what takes the records of a training: metrics.jsonl always, and what its config adds."""
    wanted = config["tracker"]
    trackers: list[Tracker] = [JsonlTracker(output / "metrics.jsonl", resume_step)]
    if wanted.get("tensorboard"):
        trackers.append(TensorboardTracker(output / "tensorboard", resume_step))
    if wanted.get("wandb"):
        artifact = (lambda: find_checkpoint(output)) if wanted["artifact"] else None
        trackers.append(WandbTracker(output, wanted["project"], config["name"], config, checkpoint=artifact))
    return Trackers(*trackers)


def send_evaluation(config: Mapping[str, Any], output: Path, results: Mapping[str, Any]) -> None:
    """Send rates and videos of an evaluation where its ``tracker`` says; results.json is the record."""
    wanted = config["tracker"]
    rates = {name: results[name] for name in ("success_rate", "success_rate_at_end", "episodes", "errors")}
    record = {"kind": "evaluation", "step": results["step"], **rates}
    if wanted.get("tensorboard"):
        _log_once(TensorboardTracker(output / "tensorboard"), record)
    if wanted.get("wandb"):
        with closing(_evaluation_tracker(config, output)) as tracker:
            tracker.log(record)
            for film in results["videos"]:
                tracker.show_video(Path(film["path"]).stem, output / film["path"], results["step"])


def send_scores(config: Mapping[str, Any], output: Path, results: Mapping[str, Any]) -> None:
    """Send scores on held-out episodes where its ``tracker`` says; results.json is the record."""
    wanted = config["tracker"]
    scores = {name: value for name, value in results["overall"].items() if value is not None}
    record = {"kind": "held_out", "step": results["step"], **scores}
    if wanted.get("tensorboard"):
        _log_once(TensorboardTracker(output / "tensorboard"), record)
    if wanted.get("wandb"):
        tracker = _evaluation_tracker(config, output)
        _log_once(tracker, record)


def _evaluation_tracker(config: Mapping[str, Any], output: Path) -> WandbTracker:
    """Return what an evaluation is sent to wandb with."""
    name, project = f"{output.resolve().parent.name}/{output.name}", config["tracker"]["project"]
    return WandbTracker(output, project, name, config, job="evaluation", record=str(output / "results.json"))


def send_page(config: Mapping[str, Any], page: Path) -> None:
    """Send a report where its ``tracker`` says."""
    wanted = config["tracker"]
    if wanted.get("wandb"):
        with closing(
            WandbTracker(page.parent, wanted["project"], page.stem, config, job="report", record=str(page))
        ) as tracker:
            tracker.show_page(page.stem, page)


def _log_once(tracker: Tracker, record: Mapping[str, Any]) -> None:
    with closing(tracker):
        tracker.log(record)
