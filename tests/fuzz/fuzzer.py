"""The worker as a test calls it, and the table of what it found."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HEAD = ("kind", "cases", "loaded", "refused", "failed")


class Fuzzer:
    """Runs cases in a worker, which is started with the first of them.

    Attributes:
        found: Kind -> how often each outcome came.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: dict[str, Counter[str]] = {}
        self._worker: subprocess.Popen[str] | None = None

    def run(self, kind: str, seed: int | None, reader: int | None = None) -> dict[str, Any]:
        """Return the verdict of a case: ``outcome``, ``reader``, ``file``, ``text``, ``seconds``."""
        verdict = self._ask(f"{kind} {seed} {reader}")
        self.found.setdefault(kind, Counter())[verdict["outcome"]] += 1
        return verdict

    def readers(self) -> dict[str, int]:
        """Return how many readers each kind has."""
        return self._ask("readers")

    def close(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker.communicate()

    def table(self) -> str:
        """Return what became of the cases of each kind."""
        rows = [(kind, sum(c.values()), c["loaded"], c["refused"], _failed(c)) for kind, c in self.found.items()]
        rows.append(("all", *(sum(row[i] for row in rows) for i in range(1, 5))))  # type: ignore[arg-type]
        width = max(len(row[0]) for row in rows)
        return "\n".join(f"{row[0]:<{width}}" + "".join(f"{x:>9}" for x in row[1:]) for row in (HEAD, *rows))

    def _ask(self, line: str) -> dict[str, Any]:
        worker = self._started()
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(line + "\n")
        worker.stdin.flush()
        answer = worker.stdout.readline()
        assert answer, (self.folder / "worker.txt").read_text(errors="replace")[-3000:]
        return json.loads(answer)

    def _started(self) -> subprocess.Popen[str]:
        if self._worker is None or self._worker.poll() is not None:
            path = os.pathsep.join((str(ROOT), str(ROOT / "envs"), os.environ.get("PYTHONPATH", "")))
            with (self.folder / "worker.txt").open("a") as log:
                self._worker = subprocess.Popen(
                    [sys.executable, "-m", "tests.fuzz.worker", str(self.folder)],
                    cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, text=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                )  # fmt: skip
        return self._worker


def _failed(counts: Counter[str]) -> int:
    return sum(count for outcome, count in counts.items() if outcome not in ("loaded", "refused"))
