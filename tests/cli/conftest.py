"""The recordings, and the commands called within this process."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

from tests.data.recordings import rated, reach, teleoperated

__all__ = ["command", "rated", "reach", "teleoperated"]
MODULES = {"import": "import_data"}  # a word of Python's own


@dataclass(frozen=True)
class Outcome:
    """What a command left behind: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch, capsys, tmp_path) -> Iterator[Callable[..., Outcome]]:
    """Return a function that calls a command, by its name, as its entry point does."""
    monkeypatch.chdir(tmp_path)

    def call(name: str, *arguments: object) -> Outcome:
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        GlobalHydra.instance().clear()
        capsys.readouterr()
        module = name.removeprefix("dist2-")
        with pytest.raises(SystemExit) as end:
            import_module(f"dist2_robot.cli.{MODULES.get(module, module)}").main()
        assert isinstance(end.value.code, int)
        return Outcome(end.value.code, *capsys.readouterr())

    yield call
    torch.use_deterministic_algorithms(False)
