"""The main job on a fresh machine: demonstrations, three policies, success rates, a report.

For every task: record demonstrations of its scripted expert, train our default, one-hot tokens with the same head, and
one-hot tokens with free logits (the usual way) for the same number of steps, evaluate all on the same initial states.
Every step is a command that you can run yourself; they are printed as they start.

    python scripts/demo.py
    python scripts/demo.py --tasks pick-place-v3 door-open-v3 --demonstrations 25 --output runs/two_tasks
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

VARIANTS = {
    "default": [],
    "one_hot_same_head": ["loss=cross_entropy"],
    "one_hot_free_logits": ["loss=cross_entropy", "head=free"],
}
LABELS = {
    "default": "DIST2 + energy (default)",
    "one_hot_same_head": "one-hot, same head",
    "one_hot_free_logits": "one-hot, free logits",
}


def run(log: Path, name: str, *options: str) -> None:
    """Run one of our commands, its output into a file; show the end of that file if it fails."""
    command = [str(Path(sys.executable).parent / name), *options]
    tqdm.write(f"$ {' '.join([name, *options])}")
    # One core a job: small models gain nothing from a second, and two jobs at a time use both.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("a") as file:
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=environment).returncode
    if code:
        tqdm.write("\n".join(log.read_text().splitlines()[-5:]))
        raise SystemExit(f"{name} failed with exit code {code}; all it said is in {log}")


def train_and_evaluate(task: str, variant: str, folder: Path, arguments: argparse.Namespace) -> None:
    """One policy from data to results.json."""
    output = folder / variant
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    log = output / "log.txt"
    options = [f"dataset.root={folder / 'data'}", f"output={output}", f"name='{LABELS[variant]}'"]
    fixed = [f"trainer.steps={arguments.steps}", f"seed={arguments.seed}", "threads=1"]
    run(log, "dist2-train", "env=metaworld", f"task={task}", *options, *fixed, *VARIANTS[variant])
    evaluation = [f"episodes={arguments.episodes}", "seed=1000", f"videos={arguments.videos}", "workers=1"]
    run(log, "dist2-eval", f"checkpoint={output}", f"output={output / 'eval'}", *evaluation)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=["push-v3"], help="Meta-World tasks")
    parser.add_argument("--demonstrations", type=int, default=25)
    parser.add_argument("--steps", type=int, default=1500, help="training steps")
    parser.add_argument("--episodes", type=int, default=50, help="episodes of each evaluation")
    parser.add_argument("--seed", type=int, default=0, help="of demonstrations and training")
    parser.add_argument("--videos", type=int, default=2, help="episodes to film in each evaluation")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--output", type=Path, default=Path("runs/demo"))
    arguments = parser.parse_args()
    start = time.monotonic()

    jobs = []
    for task in arguments.tasks:
        folder = arguments.output / task if len(arguments.tasks) > 1 else arguments.output
        folder.mkdir(parents=True, exist_ok=True)
        recording = [f"episodes={arguments.demonstrations}", f"seed={arguments.seed}", "overwrite=true"]
        run(folder / "log.txt", "dist2-collect", f"task={task}", *recording, f"dataset.root={folder / 'data'}")
        jobs += [(task, variant, folder, arguments) for variant in arguments.variants]
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(jobs), desc="policies trained and evaluated", unit="policy") as progress,
    ):
        for job in [pool.submit(train_and_evaluate, *job) for job in jobs]:
            job.add_done_callback(lambda _: progress.update())
        # Leaving the block waits for all; the first failure is raised below.
    for task in arguments.tasks:
        folder = arguments.output / task if len(arguments.tasks) > 1 else arguments.output
        summarise(task, folder, arguments.variants)
    print(f"{time.monotonic() - start:.0f} s in all")


def summarise(task: str, folder: Path, variants: list[str]) -> None:
    """Print the table of a task, and draw its page."""
    missing = [variant for variant in variants if not (folder / variant / "eval" / "results.json").exists()]
    if missing:
        raise SystemExit(f"{task}: {', '.join(missing)} did not finish; see {folder / missing[0] / 'log.txt'}")
    runs = f"runs=[{','.join(str(folder / variant) for variant in variants)}]"
    commands = Path(sys.executable).parent
    print(f"\n{task}")
    subprocess.run([commands / "dist2-compare", runs, f"output={folder}"], check=True)
    page = [f"output={folder / 'report.html'}", f"picture={folder / 'picture.png'}"]
    subprocess.run([commands / "dist2-report", runs, *page], check=True)


if __name__ == "__main__":
    main()
