"""A working folder like a reader's: what a command of the guides reads is made when it is asked for."""

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra

from tests.data.importing.others import write_aloha, write_lerobot_v2, write_robomimic
from tests.data.recordings import write_teleoperated
from tests.guide_commands import ROOT, commands
from tests.guide_runs import PROGRAMS, RECORDED, SMALL, arguments, why_not
from tests.guide_sources import (
    complete,
    write_can,
    write_door,
    write_fractal,
    write_language_model,
    write_pusht,
    write_token,
)

MODULES = {"import": "import_data"}  # a word of Python's own
READ = (
    "checkpoint",
    "dataset.root",
    "runs",
    "of",
    "log",
    "deployments",
    "calibration",
    "source",
    "reward_model",
    "study.root",
)
FILES = ("dataset.spec", "spec", "dataset.episodes", "policy.model", "token_file", "tls.cert", "tls.key")
# What a command writes, which it therefore need not find.
WRITTEN = {"collect": ("dataset.root",), "import": ("dataset.root",)}
NO_SIMULATION = ("door", "pusht", "g1", "mine")


def copy_of(other: str) -> Callable[["GuideFolder", Path], None]:
    """Make something as a copy of something else."""

    def make(folder: "GuideFolder", path: Path) -> None:
        folder.provide(other)
        shutil.copytree(other, path)

    return make


def written_by(write: Callable[[Path], object]) -> Callable[["GuideFolder", Path], None]:
    """Make something by a function of its path alone."""

    def make(folder: "GuideFolder", path: Path) -> None:
        write(path)

    return make


def by_program(program: str) -> Callable[["GuideFolder", Path], None]:
    """Make something by the first command of the guides that calls a program."""
    shown = next(command for command in commands() if command.words[0] == program)
    return lambda folder, path: folder.succeed(program, arguments(shown, str(folder.path)))


def by(name: str, *options: str) -> Callable[["GuideFolder", Path], None]:
    """Make something by a command that no guide shows."""
    return lambda folder, path: folder.succeed(name, list(options))


TRAINED = ("device=cpu", "threads=1", "trainer.steps=2", "trainer.batch_size=4", "trainer.warmup_steps=1")
MADE: dict[str, Callable[["GuideFolder", Path], None]] = {
    "my_recordings": written_by(write_teleoperated),
    "my_teleoperated_data": written_by(write_teleoperated),
    "pusht_human.zarr.zip": written_by(write_pusht),
    "pusht.zarr.zip": written_by(write_pusht),
    "adroit_door_human.npz": written_by(write_door),
    "door.npz": written_by(write_door),
    "g1_inspire_v21": written_by(write_lerobot_v2),
    "their_v21_dataset": written_by(write_lerobot_v2),
    "demos.hdf5": written_by(write_can),
    "low_dim.hdf5": written_by(write_robomimic),
    "aloha_folder": written_by(write_aloha),
    "fractal/0.1.0": written_by(write_fractal),
    "token": written_by(write_token),
    "cert.pem": by_program("openssl"),
    "key.pem": by_program("openssl"),
    "runs/theirs": by_program("lerobot-train"),
    "runs/pick_prefix": by(
        *("train", "dataset.root=data/pick", "policy.horizon=16", "policy.max_prefix=8", "output=runs/pick_prefix"),
        *TRAINED,
    ),
    "models/smollm2": written_by(write_language_model),
    "data/door_in_may": copy_of("data/door"),
    "data/other_day": copy_of("data/door"),
    "data/pusht_in_may": copy_of("data/pusht"),
    "data/held_out": copy_of("data/pick"),
    "runs/door_one_hot": by("train", "env=none", "dataset.root=data/door", "output=runs/door_one_hot", *TRAINED),
    "runs/reach": by("train", "dataset.root=data/reach", "output=runs/reach", *TRAINED),
    "runs/push_less": by("train", "dataset.root=data/push", "dataset.episodes=2", "output=runs/push_less", *TRAINED),
    "runs/rated": by("train", "dataset.root=data/rated", "output=runs/rated", *TRAINED),
    "runs/default": copy_of("runs/push"),
    "runs/one_hot": copy_of("runs/push_one_hot"),
    "runs/a": copy_of("runs/lift"),
    "runs/b": by("train", "dataset.root=data/lift", "output=runs/b", *TRAINED),
}


class GuideFolder:
    """The folder, which is the current one.

    Args:
        path: Where it is.
        print_: Where the commands that were run are told.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._makers = {}
        for command in reversed(commands()):
            if command.name in ("train", "collect", "import", "export", "rate", "validate", "eval") and not why_not(
                command
            ):
                given = keyed(command.options)
                key = "write_spec" if command.name == "validate" else WRITTEN.get(command.name, ("output",))[0]
                if key in given:
                    self._makers[given[key]] = command

    def run(self, name: str, options: list[str]) -> int:
        """Run a command in this process, after what it reads was made, and return its exit code."""
        for path in self._read(name, options):
            self.provide(path)
        if name == "serve":
            stop_when_it_serves()
        sys.argv = [f"dist2-{name}", *options]
        GlobalHydra.instance().clear()
        os.environ["HYDRA_FULL_ERROR"] = "0"
        try:
            import_module(f"dist2_robot.cli.{MODULES.get(name, name)}").main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        else:
            code = 0
        for option in options:
            if option.startswith("write_spec=") and not code:
                complete(Path(option.removeprefix("write_spec=")))
        return code

    def run_program(self, program: str, options: list[str]) -> int:
        """Run a program that is no command of ours in a process of its own, and return its exit code."""
        for option in options if program != "openssl" else ():
            path = option.partition("=")[2] if option.startswith(("--policy.path=", "--dataset.root=")) else option
            if path in self._makers or path in MADE or "/checkpoints/" in path:
                self.provide(path.partition("/checkpoints/")[0])
        if program.startswith("lerobot-"):
            words = [sys.executable, "-m", f"lerobot.scripts.{program.replace('-', '_')}", *options]
        elif program == "python":
            words = [sys.executable, str(ROOT / options[0]), *options[1:]]
        else:
            words = [program, *options]
        paths = os.pathsep.join([str(ROOT), str(ROOT / "envs")])
        environment = os.environ | {"PYTHONPATH": paths, "HF_HOME": str(self.path / "hf"), "WANDB_MODE": "disabled"}
        return subprocess.run(words, env=environment, timeout=900, check=False).returncode

    def succeed(self, name: str, options: list[str]) -> None:
        """Run a command that makes something which another one reads."""
        print("$", name, *options, flush=True)
        assert (self.run_program if name in PROGRAMS else self.run)(name, options) == 0

    def provide(self, path: str) -> None:
        """Make something that is not there."""
        if list(Path().glob(path.rstrip("/"))) or not path:
            return
        parent, _, last = path.rpartition("/")
        if path in MADE:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            MADE[path](self, Path(path))
        elif path in self._makers:
            command = self._makers[path]
            self.succeed(command.name, arguments(command, str(self.path)))
        elif last == "deploy":
            self.succeed("deploy", [f"checkpoint={parent}", *SMALL["deploy"]])
        elif last in ("ratings.json", "*") or parent == "runs/losses":
            self.provide(parent)
        elif last == "eval":
            self.provide(parent)
            recorded = Path(parent).name.startswith(NO_SIMULATION)
            small = ["env=none", *RECORDED] if recorded else SMALL["eval"]
            self.succeed("eval", [f"checkpoint={parent}", *small])
        else:
            raise AssertionError(f"nothing in tests/guide_folder.py makes {path}")
        assert list(Path().glob(path.rstrip("/"))), path

    def _read(self, name: str, options: list[str]) -> list[str]:
        given = keyed(options)
        found = []
        for key in READ:
            if key in given and key not in WRITTEN.get(name, ()):
                found += elements(given[key])
        found += [given[key] for key in FILES if key in given and given[key] and re.search(r"[./]|token", given[key])]
        if name in ("compare", "report"):
            for run, evaluation in itertools.product(
                elements(given.get("runs", "")), elements(given.get("evaluation", "eval"))
            ):
                self.provide(run)
                runs = [folder for folder in Path().glob(run) if (folder / "checkpoints").is_dir()]
                found += [f"{each}/{evaluation}" for each in runs]
        return [path for path in found if path != "null"]


def keyed(options: Iterable[str]) -> dict[str, str]:
    """Return option -> what it is set to; the last word counts."""
    return {key: value for key, _, value in (option.partition("=") for option in options)}


def elements(value: str) -> list[str]:
    """Return the elements of a list, or the only one."""
    return [element.strip() for element in value.strip("[]").split(",") if element.strip()]


def stop_when_it_serves() -> None:
    """Send this process SIGTERM as soon as a command has told that it serves."""
    before = signal.getsignal(signal.SIGTERM)

    def stop() -> None:
        while signal.getsignal(signal.SIGTERM) == before:
            time.sleep(0.05)
        time.sleep(0.5)
        if signal.getsignal(signal.SIGTERM) != before:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop, daemon=True).start()
