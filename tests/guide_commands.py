"""The command lines that our guides show, as a shell passes them on."""

import ast
import functools
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Prints the arguments of whatever it is told to run, which is not found; loops and quotes are the shell's own.
SHELL = """
PATH=/nowhere
command_not_found_handle() { printf '%s\\0' "$@"; printf '\\1\\0'; }
. /dev/stdin
"""
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PROGRAMS = (
    "dist2-",
    "lerobot-",
    "make ",
    "python ",
    "pip ",
    "hf ",
    "torchrun ",
    "accelerate ",
    "openssl ",
    "tensorboard ",
)
_SHELL = ("#", ". ", "for ", "head=")
_INLINE = re.compile(r"`(dist2-[a-z]+ [^`]*=[^`]*)`")


@dataclass(frozen=True)
class Command:
    """A command line.

    Attributes:
        where: The file that shows it.
        words: What the shell passes on; the first is the program.
    """

    where: str
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """Which of our commands it is, e.g. ``train``; empty for another program."""
        if self.words[0].startswith("dist2-"):
            return self.words[0].removeprefix("dist2-")
        modules = [word for word in self.words if word.startswith("dist2_robot.cli.")]
        return modules[0].rpartition(".")[2] if modules else ""

    @property
    def options(self) -> tuple[str, ...]:
        """What follows the name of our command, but for ``...``, which stands for more."""
        first = next(i for i, word in enumerate(self.words) if word.startswith(("dist2-", "dist2_robot.cli.")))
        return tuple(word for word in self.words[first + 1 :] if word != "...")

    def __str__(self) -> str:
        return f"{self.where}: {' '.join(self.words)}"


@functools.cache
def commands() -> tuple[Command, ...]:
    """Return all commands of the guides and of the help pages, each once for each file."""
    found = {}
    for path in GUIDES:
        text = path.read_text(encoding="utf-8")
        scripts = [block for name, block in _BLOCK.findall(text) if not name and block.startswith(_PROGRAMS + _SHELL)]
        scripts += [line for line in _INLINE.findall(text) if "<" not in line]
        found |= dict.fromkeys(_run(path.name, "\n".join(scripts)))
    for path in sorted((ROOT / "dist2_robot/cli").glob("*.py")):
        about = _about(path)
        examples = "\n".join(line for line in about.splitlines() if line.startswith("  "))
        found |= dict.fromkeys(_run(path.name, examples))
    return tuple(found)


def _about(path: Path) -> str:
    """Return what a command says of itself, without the seconds that its imports take."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "ABOUT":
            return str(ast.literal_eval(node.value))
    return ""


def _run(where: str, script: str) -> list[Command]:
    """Return the commands of a script, none of which is run."""
    script = re.sub(r"\s&&\s", "\n", script)
    done = subprocess.run(
        ["/bin/bash", "-c", SHELL], input=script, capture_output=True, text=True, timeout=60, cwd="/", check=False
    )
    lines = [line.rstrip("\0").split("\0") for line in done.stdout.split("\1\0") if line]
    return [Command(where, tuple(line)) for line in lines]
