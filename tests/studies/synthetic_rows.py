"""Rows as jobs would leave them, whose rates are what is asked for."""

import random

from dist2_robot.studies.method import Method

TASKS = ("push", "choice")


def make_row(method, task="push", rate=0.5, *, seed=0, decoding="mean", stage="screen", n=20, error=0.1, errors=0):
    """Return a row with a success rate of exactly `rate`, in episodes whose order is drawn."""
    valid = n - errors
    successes = round(rate * valid)
    letters = ["S"] * successes + ["F"] * (valid - successes)
    random.Random(f"{method} {task} {seed} {decoding}").shuffle(letters)
    return {
        **{"stage": stage, "task": task, "head": method.head, "loss": method.loss, "variant": method.variant},
        **{"seed": seed, "decoding": decoding, "success": None if errors > 0.05 * n else successes / valid},
        **{"interval": [0.0, 1.0], "episodes": n, "errors": errors, "action_error": error, "training_s": 1.0},
        **{"evaluation_seed": 1000 + seed, "outcomes": "".join(letters) + "E" * errors},
    }


def rows_by_task(method, *rates, tasks=TASKS, **options):
    """Return a row for each task."""
    return [make_row(method, task, rate, **options) for task, rate in zip(tasks, rates, strict=True)]


A, B, C, D = (Method("free", name) for name in "abcd")
