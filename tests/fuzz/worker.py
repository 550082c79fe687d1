"""The process that forks a child for each case, so that torch and its kin are imported once.

``python -m tests.fuzz.worker FOLDER`` reads cases from its standard input, ``kind seed`` a line, and answers each with
a line of JSON. With more arguments, ``KIND FIRST COUNT``, it runs those and prints what failed.
"""

import contextlib
import gc
import importlib
import json
import os
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

# Before anything of Hugging Face is imported: what it keeps lies in a folder that may be written to.
ROOT = Path(sys.argv[1]).resolve()
os.environ |= {"HF_HOME": str(ROOT / "cache"), "HF_HUB_OFFLINE": "1", "MPLCONFIGDIR": str(ROOT / "cache")}
os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(ROOT / "cache")
os.environ |= {"OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled", "XDG_CACHE_HOME": str(ROOT / "cache")}

import torch  # noqa: E402

from tests.fuzz.bases import BaseFolder  # noqa: E402
from tests.fuzz.child import Case, run_case  # noqa: E402
from tests.fuzz.readers import KINDS, config  # noqa: E402

# What readers import when they are called.
LATE = (
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "jinja2",
    "h5py",
    "zarr",
    "datasets",
    "lerobot.policies",
    "av",
    "imageio.v3",
)
LATE += ("dist2_robot.lerobot.modeling_dist2",)


def prepare() -> None:
    """Import and compose what each child would otherwise do by itself."""
    torch.set_num_threads(1)
    (ROOT / "cache").mkdir(parents=True, exist_ok=True)
    for name in LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for command in ("eval", "rate", "report", "validate", "import", "card", "compare", "deploy", "tokenizer", "train"):
        config(command)
    gc.collect()
    gc.freeze()  # for children not to copy all of it when they collect


def serve() -> None:
    """Answer on standard output, which nothing else may use."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    prepare()
    bases = BaseFolder(ROOT / "bases")
    for line in sys.stdin:
        if line.strip() == "readers":
            answers.write(json.dumps({name: len(kind.readers) for name, kind in KINDS.items()}) + "\n")
            continue
        kind, seed, reader = line.split()
        case = Case(kind, None if seed == "None" else int(seed), None if reader == "None" else int(reader))
        answers.write(json.dumps(asdict(run_case(case, ROOT / "case", bases))) + "\n")


def explore(kinds: str, first: int, count: int) -> None:
    """Run cases of some kinds and print their verdicts; with a first seed below 0 those of sound files."""
    prepare()
    bases, found = BaseFolder(ROOT / "bases"), Counter[str]()
    names = list(KINDS) if kinds == "all" else kinds.split(",")
    cases = [Case(kind, seed) for seed in range(first, first + count) for kind in names]
    if first < 0:
        cases = [Case(kind, None, number) for kind in names for number in range(len(KINDS[kind].readers))]
    for case in cases:
        verdict = run_case(case, ROOT / "case", bases)
        found[verdict.outcome] += 1
        head = "" if verdict.is_sound else "!! "
        print(f"{head}{case} {verdict.outcome} {verdict.reader} {verdict.file} {verdict.seconds:.1f} s", flush=True)
        print(f"    {verdict.text[:300] if verdict.is_sound else verdict.text[-3500:]}", flush=True)
    print(dict(found))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        explore(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        serve()
