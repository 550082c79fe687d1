"""What a worker of a study does: the work of dist2-collect, or that of dist2-train and dist2-eval."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch

from dist2_robot.checkpoints.store import load_policy
from dist2_robot.cli.collect import collect
from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.dataset import load_training_data
from dist2_robot.cli.environments import as_seen, choose_environment
from dist2_robot.cli.evaluate import evaluate_policy
from dist2_robot.cli.hydra_text import quoted
from dist2_robot.cli.train import train
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.errors import InputError
from dist2_robot.evaluation.held_out import score_held_out
from dist2_robot.json_file import read_json, write_json
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.rollouts.crew import LocalCrew
from dist2_robot.studies.job import Demonstrations, Job
from dist2_robot.studies.method import DEFAULT, NO_DECODING
from dist2_robot.studies.worker import log_file
from dist2_robot.training.validation import MAX_WINDOWS

BATCH_SIZE = 16  # environments that run at a time
CHUNKS_TIMED = 20


class JobFailedError(Exception):
    """A job cannot be done; the message is what dist2-train said last."""


def record(demonstrations: Demonstrations, output: Path) -> dict[str, Any]:
    """Record demonstrations."""
    root = f"dataset.root={quoted(output / demonstrations.folder)}"
    collect(compose_config("collect", [*demonstrations.options, root, "workers=1"]))
    return {}


def train_and_evaluate(job: Job, output: Path, keep_checkpoints: bool = False) -> dict[str, Any]:
    """Train a policy, evaluate it by each decoding, and return what was found."""
    folder = output / job.name
    places = [f"dataset.root={quoted(output / job.data.folder)}", f"output={quoted(folder)}"]
    config = compose_config("train", [*job.train_options, *places, "overwrite=true", "threads=1"])
    clock = time.process_time()  # of this process, whatever else the machine does
    if train(config):
        raise JobFailedError(_last_line(log_file(output, job)))
    training_cpu_s = time.process_time() - clock
    policy, manifest = load_policy(folder, "cpu")
    held_out = _held_out(config)
    environment = choose_environment(config["env"], recorded=None)
    assert environment is not None, "a job's options name an environment"
    evaluations, refused = [], {}
    crew = LocalCrew(
        as_seen(environment, policy.observation)
    )  # the same environments for all decodings: to build them takes as long as to run
    try:
        for decoding in job.decodings:
            try:
                decoded = _decoded_by(policy, decoding)
            except ValueError as error:  # not all go with every tokenizer
                refused[decoding] = str(error)
                continue
            results = evaluate_policy(
                decoded,
                environment,
                episodes=job.episodes,
                seed=job.evaluation_seed,
                n_action_steps=job.n_action_steps,
                workers=0,
                batch_size=BATCH_SIZE,
                max_steps=job.max_steps,
                crew=crew,
            )
            used = results["decoding"] or NO_DECODING
            results |= {"checkpoint": str(folder), "step": manifest.step, "task": "; ".join(manifest.tasks)}
            (folder / used).mkdir(exist_ok=True)
            write_json(folder / used / "results.json", results)
            evaluations.append({
                "decoding": used,
                "success_rate": results["success_rate"],
                "success_interval": results["success_interval"],
                "outcomes": [episode["outcome"] for episode in results["per_episode"]],
                "action_error": _action_error(decoded, held_out),
            })  # fmt: skip
    finally:
        crew.close()
    if not evaluations:
        raise InputError("; ".join(f"decoding '{rule}': {reason}" for rule, reason in refused.items()))
    if not keep_checkpoints:
        shutil.rmtree(folder / "checkpoints")
    summary = read_json(folder / "summary.json")
    return {
        "training_s": summary["wall_time_s"],
        "training_cpu_s": training_cpu_s,
        "parameters": summary["parameters"],
        "chunk_ms": _chunk_ms(policy, held_out),
        "evaluations": evaluations,
        "refused_decodings": refused,
    }


def _decoded_by(policy: Policy, decoding: str) -> Policy:
    if decoding == DEFAULT:
        return policy
    if not isinstance(policy, DiscretePolicy):
        raise ValueError("the policy has no tokens to decode")
    return policy.with_decoding(decoding)


def _held_out(config: Mapping[str, Any]) -> ChunkWindows:
    """Return windows of the demonstrations that were recorded and not learned from; of all if there are none."""
    horizon = config["policy"]["horizon"]
    everything = load_training_data(
        {**config["dataset"], "episodes": None, "validation": 0.0}, horizon, seed=0, history=config["policy"]["history"]
    )
    rest = list(range(config["dataset"]["episodes"], everything.episodes))
    if not rest:
        return everything.training
    return ChunkWindows(everything.table, everything.table.frames_of(rest), horizon, everything.training.history)


def _chunk_ms(policy: Policy, windows: ChunkWindows) -> float:
    """Return the processor time that the policy takes to act once on one observation, in ms: the median of some."""
    observation = windows.gather(torch.zeros(1, dtype=torch.long)).observation
    policy.act(observation)  # the first time sets things up
    times = []
    for _ in range(CHUNKS_TIMED):
        clock = time.process_time()
        policy.act(observation)
        times.append(time.process_time() - clock)
    return 1000 * median(times)


def _action_error(policy: Policy, windows: ChunkWindows) -> float:
    """Return the mean absolute error of the decoded actions, in tolerances."""
    return fmean(score_held_out(policy, windows, max_windows=MAX_WINDOWS).error_in_tolerances())


def _last_line(log: Path) -> str:
    text = log.read_text(errors="replace") if log.exists() else ""  # part of a larger unit, whose log it is in
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else f"training failed; see {log if text else 'the log'}"
