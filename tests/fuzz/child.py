"""One case: a copy of sound files, one of them changed, read in a child that is bounded and watched."""

import contextlib
import json
import os
import random
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from dist2_robot.errors import InputError
from dist2_robot.printable import LONGEST, PrintableStream
from tests.fuzz.bad_readers import BAD_KINDS
from tests.fuzz.bases import Bases
from tests.fuzz.hostile import SECRET, TRAP
from tests.fuzz.mutations import mutate, sign
from tests.fuzz.places import write_secret
from tests.fuzz.readers import KINDS, Reader
from tests.fuzz.watch import watch

MEMORY_BYTES = 4 * 2**30  # above what the process has mapped before it reads
TIME_S = 20  # of processor time, or asleep without any
MOST_LETTERS = LONGEST + 4  # of a message, with what says that it was cut
_ALLOCATION = re.compile(r"allocate|MemoryError|bad_alloc|out of memory|malloc of size", re.IGNORECASE)


@dataclass(frozen=True)
class Verdict:
    """Attributes:
    outcome: ``loaded``, ``refused``, or what was wrong: ``error``, ``message``, ``hang``, ``memory``, ``killed``,
        ``watched``.
    reader: Who read.
    file: Which file was changed.
    text: The message, or more about what was wrong.
    seconds: Of processor time.
    """

    outcome: str
    reader: str
    file: str
    text: str = ""
    seconds: float = 0.0
    modules: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return self.outcome in ("loaded", "refused")


@dataclass(frozen=True)
class Case:
    """A kind of file and a seed, which determine all else; without a seed nothing is changed."""

    kind: str
    seed: int | None
    reader: int | None = None

    def __str__(self) -> str:
        return f"{self.kind}-{self.seed}"

    def rng(self) -> random.Random:
        return random.Random(f"{self.kind} {self.seed}")


def run_case(case: Case, folder: Path, bases: Bases) -> Verdict:
    """Make the files of a case in a new folder, let a child read them, judge what it did, and remove them."""
    kind, rng = {**KINDS, **BAD_KINDS}[case.kind], case.rng()
    shutil.rmtree(folder, ignore_errors=True)
    given = folder / "given"
    folder.mkdir(parents=True)
    shutil.copytree(bases(kind.base), given)
    for each in kind.readers:
        _warm(each, bases)
    write_secret(folder)
    (folder / f"{TRAP}.py").write_text(f"open({str(folder / 'trapped')!r}, 'w')\n")
    readers = kind.readers
    reader = readers[case.reader] if case.reader is not None else readers[(case.seed or 0) % len(readers)]
    pattern = rng.choice(kind.files)
    path = rng.choice(sorted(p for p in given.glob(pattern) if p.is_file()))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _read(case, reader, path, folder, bases, rng, writing)
    os.close(writing)
    said, fate, seconds = _wait(child, reading)
    name = str(path.relative_to(given))
    verdict = _judge(said, fate, seconds, reader.__name__, name, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return verdict


def _warm(reader: Reader, bases: Bases) -> None:
    """Make what a reader needs besides, once: children cannot keep it."""
    for name in {"resume": ["run", "reach"], "rate_dataset": ["reward"], "score_dataset": ["run"]}.get(
        reader.__name__, ["reach", "run", "reward"] if reader.__name__ in _NEEDY else []
    ):
        bases(name)


_NEEDY = ("evaluate_elsewhere", "rate_reach", "chosen_episodes", "spec_of_data", "spec_of_evaluation")


def _read(case: Case, reader: Reader, path: Path, folder: Path, bases: Bases, rng: random.Random, pipe: int) -> None:
    """Be the child: change the file, read it, say how it went, end."""
    os.setsid()
    code = 1
    try:
        _silence(folder)
        if case.seed is not None:
            mutate(path, rng)
            if rng.random() < 0.9:
                sign(folder / "given")
        os.chdir(folder)
        os.write(pipe, b"made\n")
        with os.fdopen(pipe, "w", encoding="utf-8", errors="backslashreplace") as said:
            code = _observe(reader, path, folder, bases, said)
    except BaseException:
        with contextlib.suppress(Exception):
            sys.stderr.write(traceback.format_exc())
    finally:
        os._exit(code)


def _silence(folder: Path) -> None:
    """Send all that is printed to a file."""
    out = os.open(folder / "printed.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for descriptor in (1, 2):
        os.dup2(out, descriptor)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace")


def _observe(reader: Reader, path: Path, folder: Path, bases: Bases, said) -> int:
    def tell(what: str, text: str = "") -> None:
        said.write(json.dumps([what, text]) + "\n")
        said.flush()

    for name in ("TMPDIR", "XDG_CACHE_HOME", "HOME"):
        os.environ[name] = str(folder)
    tempfile.tempdir = str(folder)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    before = set(sys.modules)
    _limit()
    watch(folder, (bases.root.parent / "cache",), lambda line: tell("watched", line))  # type: ignore[attr-defined]
    try:
        with contextlib.redirect_stdout(PrintableStream(sys.stdout)):  # as every command does
            reader(folder / "given", bases)
        sys.stdout.flush()
    except InputError as error:
        tell("refused", str(error))
    except MemoryError:
        tell("memory", _where())
    except BaseException as error:
        tell("memory" if _ALLOCATION.search(repr(error)) else "error", _where())
    else:
        tell("loaded")
    tell("modules", " ".join(sorted(set(sys.modules) - before)))
    return 0


def _limit() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (TIME_S, TIME_S + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * 2**30, 2 * 2**30))


def _where() -> str:
    return traceback.format_exc()


def _wait(child: int, pipe: int) -> tuple[list[list[str]], str, float]:
    """Return what a child said, how it ended, and its processor time in s; one that sleeps too long is killed."""
    lines, asleep_since, used, fate = b"", time.monotonic(), -1.0, ""
    while True:
        ready, _, _ = select.select([pipe], [], [], 0.5)
        if ready:
            part = os.read(pipe, 2**16)
            if not part:
                break
            lines, asleep_since = lines + part, time.monotonic()
            continue
        state, now = _state_and_processor_s(child)
        if now > used + 0.1 or state != "S":
            used, asleep_since = now, time.monotonic()
        elif time.monotonic() - asleep_since > ASLEEP_S:
            fate = f"it slept for {ASLEEP_S} s"
            break
    os.close(pipe)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    if os.WIFSIGNALED(status) and not fate:
        number = os.WTERMSIG(status)
        fate = f"it used {TIME_S} s" if number == signal.SIGXCPU else f"signal {number}"
    text = lines.decode().splitlines()
    said = [json.loads(line) for line in text if line.startswith("[")]
    return said, fate if "made" in text else f"the case could not be made {fate}", usage.ru_utime + usage.ru_stime


ASLEEP_S = float(os.environ.get("DIST2_FUZZ_ASLEEP_S", TIME_S))


def _state_and_processor_s(process: int) -> tuple[str, float]:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0.0
    return fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _judge(said: list[list[str]], fate: str, seconds: float, reader: str, file: str, folder: Path) -> Verdict:
    def verdict(outcome: str, text: str = "") -> Verdict:
        return Verdict(outcome, reader, file, text, seconds, modules)

    modules = next((text.split() for what, text in said if what == "modules"), [])
    watched = [text for what, text in said if what == "watched"]
    ends = [(what, text) for what, text in said if what in ("loaded", "refused", "error", "memory")]
    printed = (folder / "printed.txt").read_text(errors="replace") if (folder / "printed.txt").is_file() else ""
    if watched or (folder / "trapped").exists():
        return verdict("watched", "; ".join(watched[:5]) or "the trap was run")
    if not ends:
        what = "hang" if "slept" in fate or "used" in fate else "unmade" if "made" in fate else "killed"
        return verdict(what, f"{fate} {printed[-3000:]}")
    outcome, text = ends[0]
    if outcome == "refused" and _ALLOCATION.search(text):
        return verdict("memory", text[-600:])
    if outcome == "refused" and (odd := _odd_message(text, file, folder)):
        return verdict("message", f"{odd}: {text[:600]!r}")
    if outcome in ("loaded", "refused") and (odd := _odd_print(printed)):
        return verdict("message", f"{odd}: {printed[-1500:]!r}")
    return verdict(outcome, text)


def _odd_message(text: str, file: str, folder: Path) -> str:
    """Return what is wrong with the message of a refusal; empty where nothing is."""
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") for letter in text):
        return "control characters"
    if SECRET in text:
        return "what lies outside is shown"
    if len(text) > MOST_LETTERS:
        return f"{len(text)} letters"
    if str(folder) not in text and Path(file).name not in text:
        return "names no file"
    return ""


def _odd_print(printed: str) -> str:
    if "Traceback (most recent call last)" in printed:
        return "a traceback is printed"
    if SECRET in printed:
        return "what lies outside is shown"
    printed = printed.replace("\x1b[A", "")  # of progress bars
    if any(unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\r\t" for letter in printed):
        return "control characters are printed"
    return ""
