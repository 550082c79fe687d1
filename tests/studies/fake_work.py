"""Work that is over at once; spawned workers import it by name. What a job does is told by the name of its loss."""

import os
import random
from pathlib import Path

from dist2_robot.errors import InputError
from dist2_robot.studies.job import Demonstrations, Job
from dist2_robot.studies.method import Method

TASKS = ("reach", "push")
DATA = {task: Demonstrations(task, (f"task={task}", "episodes=5")) for task in TASKS}


def make_job(loss: str = "fine", *, stage: str = "screen", task: str = "reach", seed: int = 0, **changes) -> Job:
    settings = {"options": (), "decodings": ("argmax", "mean"), "episodes": 10, "evaluation_seed": 7 + seed}
    return Job(stage, task, Method("free", loss), seed, DATA[task], **(settings | changes))


def record(demonstrations: Demonstrations, output: Path) -> dict:
    """Leave a dataset, and a line in a list of all that was done."""
    (output / demonstrations.folder).mkdir(parents=True)
    _note(output, demonstrations.name)
    return {}


def refuse_to_record(demonstrations: Demonstrations, output: Path) -> dict:
    raise InputError("the expert never succeeds")


def work(job: Job, output: Path) -> dict:
    """Evaluate a policy that is better the longer the name of its loss; some losses break, each in its way."""
    print(f"at {job.name}")
    assert (output / job.data.folder).is_dir(), "there are demonstrations before there are jobs"
    _note(output, job.name)
    match job.method.loss:
        case "raises":
            raise RuntimeError("the floor\nis gone")
        case "refuses":
            raise InputError("this head does not go with that loss")
        case "dies":
            os._exit(7)
        case "counts":
            return found_by(job) | {"threads": os.environ["OMP_NUM_THREADS"], "pid": os.getpid()}
        case "waits":
            (output / "waiting").touch()
            __import__("time").sleep(60)
    return found_by(job)


def found_by(job: Job) -> dict:
    evaluations = []
    for number, decoding in enumerate(job.decodings):
        draw = random.Random(f"{job.name} {decoding}")
        rate = min(1.0, 0.1 * len(job.method.loss) + 0.1 * number)
        outcomes = ["success" if draw.random() < rate else "failure" for _ in range(job.episodes)]
        successes = outcomes.count("success")
        evaluations.append({
            "decoding": decoding,
            "success_rate": successes / job.episodes,
            "success_interval": [0.0, 1.0],
            "outcomes": outcomes,
            "action_error": 1.0 - rate,
        })  # fmt: skip
    return {"training_s": 1.0, "evaluations": evaluations}


def _note(output: Path, name: str) -> None:
    with (output / "done.txt").open("a") as file:
        file.write(name + "\n")
