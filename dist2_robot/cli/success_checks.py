"""Success checks of a training, in a process of their own, and the best checkpoint by them."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from dist2_robot.checkpoints.folders import names_begun, put_in_place, remove_folder, settle_folder
from dist2_robot.checkpoints.manifest import MANIFEST_FILE
from dist2_robot.checkpoints.store import BEST
from dist2_robot.json_file import read_json, write_json
from dist2_robot.tracking.jsonl import records
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
        self._waiting: list[int] = []  # steps whose weights are kept, and not checked yet
        self._logged: set[int] = set()  # steps that the tracker knows of
        self.best_folder = output / "checkpoints" / BEST
        best = output / "checkpoints" / BEST_FILE
        self.best: dict[str, Any] | None = read_json(best) if best.is_file() else None

    def resume(self, step: int) -> None:
        """Take up what a run that was killed or stopped had begun up to this step; what came later is made again."""
        place = self.output / "checks"
        for name in names_begun(place, "step_*"):
            settle_folder(place / name)
        settle_folder(self.best_folder)
        self._logged = {
            record["step"] for _, record in records(self.output / "metrics.jsonl") if record.get("kind") == "success"
        }
        if (best := _found(self.best_folder)) and best != self.best:  # killed before it was written down
            self._note_best(best)
        for folder in sorted(place.glob("step_[0-9]*")):
            number = int(folder.name.removeprefix("step_"))
            if number > step or not (folder / MANIFEST_FILE).exists():
                remove_folder(folder)
            elif found := _found(folder):
                self._take(folder, found)
            else:
                self._waiting.append(number)
        self.poll()

    def submit(self, model: dict[str, Tensor], step: int, *, is_last: bool) -> None:
        """Check these weights. While another check runs they are left out, or, if they are the last, wait for it."""
        self.poll()
        if self.running and not is_last:
            print(
                f"the success check of step {self.running.step} still runs, step {step} is not checked: raise "
                "trainer.evaluate_every, or lower evaluation.episodes",
                file=sys.stderr,
            )
            return
        self.save(self._folder(step), model, step)
        self._waiting.append(step)
        self.poll()

    def poll(self) -> None:
        """Take note of a check that has ended, and start the next one that waits."""
        if self.running and self.running.process.poll() is not None:
            folder = self.running.folder
            if found := _found(folder):
                self._take(folder, found)
            else:
                print(
                    f"the success check of step {self.running.step} failed: see '{folder / 'eval.log'}'",
                    file=sys.stderr,
                )
            self.running = None
        if not self.running and self._waiting:
            self.running = self._start(self._waiting.pop(0))

    def wait(self) -> None:
        """Wait for the check that runs, and for those that wait for it."""
        self.poll()
        while self.running:
            print(f"waiting for the success check of step {self.running.step}", file=sys.stderr)
            self.running.process.wait()
            self.poll()

    def close(self) -> None:
        """End the check that runs; its weights stay, for `resume` to check them."""
        if self.running:
            self.running.process.kill()
            self.running.process.wait()
            self.running = None

    def _folder(self, step: int) -> Path:
        return self.output / "checks" / f"step_{step:07d}"

    def _start(self, step: int) -> _Check:
        folder = self._folder(step)
        remove_folder(folder / "eval")  # where a check that outlived its training may still write
        options = [f"{key}={value}" for key, value in self.config.items()]
        command = [sys.executable, "-m", "dist2_robot.cli.eval", "checkpoint=.", "output=eval", "videos=0", *options]
        with (folder / "eval.log").open("w") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        return _Check(step, folder, process)

    def _take(self, folder: Path, found: dict[str, Any]) -> None:
        """Record what was found, and keep the folder if it is the best. Done again after a kill, it goes on."""
        if found["step"] not in self._logged:
            self.tracker.log({"kind": "success", **found})
            self._logged.add(found["step"])
        rate = found["success_rate"]
        if rate is not None and (self.best is None or rate >= self.best["success_rate"]):
            self.best_folder.parent.mkdir(exist_ok=True)
            put_in_place(folder, self.best_folder)
            self._note_best(found)
        else:
            remove_folder(folder)

    def _note_best(self, found: dict[str, Any]) -> None:
        self.best = found
        write_json(self.output / "checkpoints" / BEST_FILE, found)


def _found(folder: Path) -> dict[str, Any] | None:
    """Return what the check of a checkpoint folder found; None where it did not end well."""
    try:
        results = read_json(folder / "eval" / "results.json")
        return {key: results[key] for key in ("step", *_REPORTED)}
    except (OSError, ValueError, OverflowError, KeyError, TypeError):
        return None
