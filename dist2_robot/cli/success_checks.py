"""Success checks of a training, in a process of their own, and the best checkpoint by them."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from dist2_robot.checkpoints.folders import put_in_place, remove_folder
from dist2_robot.checkpoints.store import BEST
from dist2_robot.json_file import read_json, write_json
from dist2_robot.tracking.protocol import Tracker

BEST_FILE = "best.json"
_REPORTED = ("success_rate", "success_interval", "episodes", "errors")


@dataclass
class _Check:
    step: int
    folder: Path
    process: subprocess.Popen


class SuccessChecks:
    """Evaluates checkpoints with dist2-eval beside the training, which goes on meanwhile, one at a time.

    Args:
        output: The run folder.
        config: The ``evaluation`` options.
        save: Writes a checkpoint of weights and step into a folder.
        tracker: Where the rates go, with the step of their weights.
    """

    def __init__(
        self,
        output: Path,
        config: Mapping[str, Any],
        save: Callable[[Path, dict[str, Tensor], int], None],
        tracker: Tracker,
    ) -> None:
        self.output, self.config, self.save, self.tracker = output, config, save, tracker
        self.running: _Check | None = None
        best = output / "checkpoints" / BEST_FILE
        self.best: dict[str, Any] | None = read_json(best) if best.is_file() else None

    def submit(self, model: dict[str, Tensor], step: int, *, is_last: bool) -> None:
        """Start a check of these weights. While another one runs it is left out, unless these are the last."""
        if self.running and is_last:
            self.wait()
        self.poll()
        if self.running:
            print(
                f"the success check of step {self.running.step} still runs, step {step} is not checked: raise "
                "trainer.evaluate_every, or lower evaluation.episodes",
                file=sys.stderr,
            )
            return
        folder = self.output / "checks" / f"step_{step:07d}"
        self.save(folder, model, step)
        options = [f"{key}={value}" for key, value in self.config.items()]
        command = [sys.executable, "-m", "dist2_robot.cli.eval", "checkpoint=.", "output=eval", "videos=0", *options]
        with (folder / "eval.log").open("w") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.running = _Check(step, folder, process)

    def poll(self) -> None:
        """Take note of a check that has ended."""
        if self.running and self.running.process.poll() is not None:
            self._take(self.running)
            self.running = None

    def wait(self) -> None:
        """Wait for the check that runs, if one does."""
        if self.running:
            print(f"waiting for the success check of step {self.running.step}", file=sys.stderr)
            self.running.process.wait()
            self.poll()

    def close(self) -> None:
        """End the check that runs."""
        if self.running:
            self.running.process.kill()
            self.running.process.wait()
            remove_folder(self.running.folder)
            self.running = None

    def _take(self, check: _Check) -> None:
        try:
            results = read_json(check.folder / "eval" / "results.json")
            found = {"step": check.step, **{key: results[key] for key in _REPORTED}}
        except (OSError, ValueError, KeyError, TypeError):
            print(f"the success check of step {check.step} failed: see '{check.folder / 'eval.log'}'", file=sys.stderr)
            return
        self.tracker.log({"kind": "success", **found})
        rate = found["success_rate"]
        if rate is not None and (self.best is None or rate >= self.best["success_rate"]):
            self.best = found
            place = self.output / "checkpoints" / BEST
            place.parent.mkdir(exist_ok=True)
            put_in_place(check.folder, place)
            write_json(place.parent / BEST_FILE, found)
        else:
            remove_folder(check.folder)
