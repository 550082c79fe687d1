"""Runs as training and evaluation would leave them, made of formulas and a seeded generator."""

import json
from pathlib import Path

import numpy as np

from dist2_robot.evaluation.filmstrip import write_filmstrip
from dist2_robot.evaluation.summary import summarise

DIMENSIONS = {"x": ("m", 0.05), "y": ("m", 0.05), "z": ("m", 0.05), "yaw": ("rad", 0.6), "gripper": ("%", 50.0)}
VOCABULARY = 256


def make_episodes(rate: float, n: int = 50, errors: int = 0, skill_seed: int = 0) -> list[dict]:
    """Episodes whose difficulty is shared: two runs of one seed differ only by their rates and some luck."""
    difficulty = np.random.default_rng(7).random(n)
    luck = np.random.default_rng(skill_seed).normal(0, 0.12, n)
    episodes = []
    for index in range(n):
        solved = bool(difficulty[index] + luck[index] < rate)
        outcome = "error" if index < errors else "success" if solved else "failure"
        success_step = 60 + int(60 * difficulty[index]) if outcome == "success" else None
        episodes.append({
            "index": index, "seed": 1000 + 17 * index, "outcome": outcome, "steps": success_step or 200,
            "success_step": success_step, "success_at_end": outcome == "success" and index % 9 != 0,
            "jerk": None if outcome == "error" else 0.03 / rate + 0.002 * luck[index],
            "message": "worker timed out" if outcome == "error" else "",
        })  # fmt: skip
    return episodes


def make_example(dimension: str, step: int, where: float, tau: float, noise: float, seed: int) -> dict:
    unit, reach = DIMENSIONS[dimension]
    values = np.linspace(-reach, reach, VOCABULARY)
    truth = where * reach
    distance = (values - truth) / (0.02 * reach)
    nearest = int(np.abs(distance).argmin())
    target = np.exp(-(distance**2) / tau) if tau else np.eye(VOCABULARY)[nearest]
    generator = np.random.default_rng(seed)
    logits = -(((distance - noise) / (1.6 + noise)) ** 2) + generator.normal(0, 0.25 if tau else 1.1, VOCABULARY)
    predicted = np.exp(logits) + (0 if tau else 0.004)
    predicted /= predicted.sum()
    return {
        "dimension": dimension, "unit": unit, "step": step, "values": values.tolist(), "truth": truth,
        "target": (target / target.sum()).tolist(), "predicted": predicted.tolist(),
        "decoded": float(values[predicted.argmax()] if not tau else values @ predicted),
    }  # fmt: skip


def make_frames(solved: bool, size: int = 96, length: int = 40) -> np.ndarray:
    """A block that moves to its goal, or stops half-way."""
    frames = np.full((length, size, size, 3), (226, 230, 236), np.uint8)
    frames[:, 60:] = (176, 156, 130)
    for time in range(length):
        x = int(8 + (66 if solved else 30) * time / length)
        frames[time, 46:60, 72:88] = (150, 205, 170)
        frames[time, 48:60, x : x + 12] = (0, 114, 178)
    return frames


def write_run(parent: Path, name: str, rate: float = 0.8, tau: float = 2.0, seed: int = 0) -> Path:
    """Write a whole run folder and return it."""
    run = parent / f"run{seed}"
    videos = run / "eval" / "videos"
    videos.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    error = 4.0 - 2.5 * rate
    lines = []
    for step in range(0, 20_001, 50):
        loss = 0.8 + (4.7 if tau == 0 else 4.2) * np.exp(-step / 3000) + generator.normal(0, 0.06)
        train = {"loss": loss, "learning_rate": 3e-4, "samples_per_s": 2100.0}
        lines.append({"kind": "train", "step": step, **train})
        if step % 2000 == 0 and step:
            fade = 1 + 3 * np.exp(-step / 4000)
            lines.append({
                "kind": "validation", "step": step, "loss": loss + 0.2,
                "action_error": {k: 0.012 * reach * error * fade for k, (_, reach) in DIMENSIONS.items()},
                "action_error_by_step": [error * fade * (0.6 + 0.05 * h) for h in range(16)],
                "units": {k: unit for k, (unit, _) in DIMENSIONS.items()},
            })  # fmt: skip
        if step % 5000 == 0 and step:
            now = rate * (1 - np.exp(-step / 5000))
            interval = [max(0, now - 0.12), min(1, now + 0.12)]
            success = {"success_rate": now, "success_interval": interval, "episodes": 50}
            lines.append({"kind": "success", "step": step, **success})
    places = [("x", 0, 0.31), ("y", 4, -0.62), ("yaw", 0, 0.12), ("gripper", 8, 0.93)]
    noise = 1.5 * (1 - rate)
    examples = [make_example(*place, tau, noise, 10 * seed + i) for i, place in enumerate(places)]
    for outcome, episode in (("success", 3), ("failure", 5)):
        write_filmstrip(videos / f"episode_{episode:04}.png", make_frames(outcome == "success"))
        (videos / f"episode_{episode:04}.mp4").write_bytes(b"\0" * 2000)
    shown = (("success", 3), ("failure", 5))
    results = summarise(make_episodes(rate, skill_seed=seed)) | {
        "environment": "gym_dist2", "task": "PickPlace-v0", "checkpoint": f"{run}/checkpoints/best", "seed": 1000,
        "wall_time_s": 312.4, "steps_per_s": 410.2, "n_action_steps": 8, "decoding": "min_risk",
        "videos": [{"path": f"videos/episode_{e:04}.mp4", "episode": e, "outcome": o} for o, e in shown],
        "filmstrips": [{"path": f"videos/episode_{e:04}.png", "episode": e, "outcome": o} for o, e in shown],
    }  # fmt: skip
    summary = {
        "wall_time_s": 4521.0, "steps": 20_000, "parameters": 3_214_592, "device": "cpu", "git_revision": "0a1b2c3",
        "versions": {"torch": "2.11.0", "lerobot": "0.6.1"}, "dataset": {"id": "local/pick_place", "episodes": 100},
    }  # fmt: skip
    config = {"name": name, "seed": seed, "loss": {"name": "dist2", "alpha": 0.1, "temperature": tau}}
    (run / "config.json").write_text(json.dumps(config))
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run / "examples.json").write_text(json.dumps(examples))
    (run / "summary.json").write_text(json.dumps(summary))
    (run / "eval" / "results.json").write_text(json.dumps(results))
    return run


def make_held_out(error: float = 0.2, seed: int = 0, episodes: int = 6, decoding: str | None = "local_mean") -> dict:
    """Scores on held-out episodes that some policy would have; those of another seed are of other episodes."""
    generator = np.random.default_rng(seed)
    numbers = [60 + 10 * e for e in range(episodes)]
    is_point = decoding is None
    scale = {"mae": 1.0, "crps": 1.0 if is_point else 0.7}
    dimensions = []
    for name, (unit, reach) in DIMENSIONS.items():
        std = 0.4 * reach
        ramp = np.linspace(0.8, 1.2, 8)
        shares = {score: float(error * factor) for score, factor in scale.items()}
        dimensions.append({
            "name": name, "unit": unit, "std": std, "stands_still": False, "outside_limits": 0.0,
            **{score: share * std for score, share in shares.items()},
            **{f"{score}_by_step": (share * std * ramp).tolist() for score, share in shares.items()},
            "nll": None if is_point else float(np.log(error * std)),
            "coverage_50": None if is_point else 0.42, "coverage_90": None if is_point else 0.83,
        })  # fmt: skip
    per_episode = []
    for e in range(episodes):
        one = error * (1 + 0.1 * generator.normal())
        per_episode.append({
            "episode": e, "key": f"{seed}-{e}", "numbers": numbers[e], "mae": one, "crps": one * scale["crps"],
            "nll": None if is_point else float(np.log(one)),
            "coverage_50": None if is_point else 0.42, "coverage_90": None if is_point else 0.83,
        })  # fmt: skip
    overall = {
        score: None if per_episode[0][score] is None else float(
            np.average([episode[score] for episode in per_episode], weights=numbers)
        )
        for score in ("mae", "crps", "nll", "coverage_50", "coverage_90")
    }  # fmt: skip
    steps = {f"{score}_by_step": (error * factor * ramp).tolist() for score, factor in scale.items()}
    return {
        "kind": "held_out", "frames": 80, "episodes": episodes, "horizon": 8, "rate_hz": 10.0, "decoding": decoding,
        "belief": "point" if is_point else "parallel", "overall": overall, "mae_in_tolerances": 3.0, **steps,
        "dimensions": dimensions, "per_episode": per_episode, "step": 1000, "checkpoint": "a/checkpoints/step_1000",
        **({"note": "it predicts a point"} if is_point else {}),
    }  # fmt: skip
