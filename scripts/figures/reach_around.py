"""Draw the ways that policies take past a post, where demonstrations go left as often as right.

    python scripts/figures/reach_around.py --control hand
    python scripts/figures/reach_around.py --control joint --seeds 0 --episodes 20 --runs runs/quick

Records the demonstrations, trains regression and tokens on them with every seed, follows each policy from the same
initial states, and writes docs/results/reach_around_CONTROL.json with its picture into docs/images. What has been
recorded or trained before is not done again.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from gym_dist2.so101.reach_around import POST, POST_RADIUS_M
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from tqdm import tqdm

from dist2_robot.checkpoints.store import load_policy
from dist2_robot.evaluation.intervals import wilson_interval
from dist2_robot.evaluation.style import GRID, MUTED, STYLE, SURFACE, series_color
from dist2_robot.policies.policy import Policy
from dist2_robot.rollouts.environment import EnvironmentSpec, make_environment, to_features
from dist2_robot.seeding import stream_seed
from dist2_robot.types import Observation

ROOT = Path(__file__).parents[2]
TRAINED = {
    "mse": ["policy=regression", "loss=mse"],
    "l1": ["policy=regression", "loss=l1"],
    "tokens": [],
    "span": ["tokenizer.span=data"],
}
# Title of a panel -> what was trained, how it is decoded.
PANELS = {
    "MSE regression": ("mse", None),
    "L1 regression": ("l1", None),
    "tokens, argmax": ("tokens", "argmax"),
    "tokens, local mean": ("tokens", "local_mean"),
    "tokens, sampled": ("tokens", "sample"),
    "span=data, local mean": ("span", "local_mean"),
    "span=data, sampled": ("span", "sample"),
}
DEMONSTRATIONS = "demonstrations"
N_ACTION_STEPS = 4
SHOWN = 40  # ways in a panel

# Takes the environment and what is seen, and returns the next action.
Choose = Callable[[Any, Any], np.ndarray]


@dataclass(frozen=True)
class Way:
    """An episode: where the fingers were, (T, 2) in m, and whether they arrived without touching the post."""

    places: np.ndarray
    success: bool

    @property
    def side(self) -> str | None:
        """On which side of the post they passed it, if they did."""
        past = self.places[self.places[:, 0] > POST[0]]
        return None if len(past) == 0 else "left" if past[0, 1] > POST[1] else "right"


def follow(env: Any, seed: int, choose: Choose) -> Way:
    """Run an episode and return its way, up to the first success."""
    observation, _ = env.reset(seed=seed)
    places, is_over, is_success = [env.unwrapped.fingers], False, False
    while not (is_over or is_success):
        observation, _, terminated, truncated, info = env.step(choose(env, observation))
        places.append(env.unwrapped.fingers)
        is_over, is_success = terminated or truncated, bool(info["is_success"])
    return Way(np.stack(places), is_success)


def in_chunks(policy: Policy) -> Choose:
    """Return what executes some actions of a chunk before it asks for the next."""
    waiting: list[np.ndarray] = []

    def choose(_: Any, observation: Any) -> np.ndarray:
        if not waiting:
            features = {name: torch.as_tensor(x)[None] for name, x in to_features(observation).items()}
            waiting.extend(policy.act(Observation(features)).actions[0, :N_ACTION_STEPS].numpy())
        return waiting.pop(0)

    return choose


def command(name: str, *options: str) -> None:
    """Run one of our commands, and show what it said if it fails."""
    print(f"$ {name} {' '.join(options)}", flush=True)
    path = str(Path(sys.executable).parent / name)
    done = subprocess.run([path, *options], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-600:]}")


def train(arguments: argparse.Namespace) -> dict[str, list[Path]]:
    """Record and train what is not there yet; return method -> run of each seed."""
    data = arguments.runs / f"data_{arguments.control}"
    if not (data / "meta" / "info.json").exists():
        environment = ["env=so101", "task=ReachAround", f"env.kwargs.control={arguments.control}"]
        command("dist2-collect", *environment, f"episodes={arguments.demonstrations}", f"dataset.root={data}")
    runs: dict[str, list[Path]] = {}
    for method, options in TRAINED.items():
        for seed in arguments.seeds:
            run = arguments.runs / f"{method}_{arguments.control}_{seed}"
            runs.setdefault(method, []).append(run)
            if not (run / "summary.json").exists():
                fixed = [f"name={method}", f"seed={seed}", f"trainer.steps={arguments.steps}", "threads=1"]
                command("dist2-train", f"dataset.root={data}", f"output={run}", "overwrite=true", *fixed, *options)
    return runs


def ways_of(runs: Sequence[Path], decoding: str | None, env: Any, episodes: int, progress: tqdm) -> list[Way]:
    """Follow the policy of every run from the same initial states."""
    ways = []
    for run in runs:
        policy, _ = load_policy(run)
        if decoding:
            policy.decoding = decoding  # type: ignore[assignment]
        torch.manual_seed(0)
        for episode in range(episodes):
            ways.append(follow(env, stream_seed(1000, "evaluate", episode), in_chunks(policy.eval())))
            progress.update()
    return ways


def summary(ways: Sequence[Way]) -> dict[str, Any]:
    """Return the figures of some episodes."""
    solved = [way for way in ways if way.success]
    sides = [way.side for way in solved]
    return {
        "episodes": len(ways),
        "success_rate": len(solved) / len(ways),
        "success_interval": list(wilson_interval(len(solved), len(ways))),
        "left": sides.count("left"),
        "right": sides.count("right"),
    }


def draw(ways: dict[str, list[Way]], summaries: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw one panel for each kind of ways, as seen from above."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 6.6), facecolor=SURFACE)
        for axes, (title, found) in zip(
            figure.subplots(2, 4, sharex=True, sharey=True).flat, ways.items(), strict=True
        ):
            axes.add_patch(Circle((-1000 * POST[1], 1000 * POST[0]), 1000 * POST_RADIUS_M, color=GRID))
            for way in found[:: max(1, len(found) // SHOWN)]:  # of all training seeds
                x, y = 1000 * way.places.T
                axes.plot(-y, x, color=series_color(0 if way.success else 1), linewidth=0.8, alpha=0.6)
            told = summaries[title]
            low, high = (100 * bound for bound in told["success_interval"])
            axes.set_title(title)
            text = f"{100 * told['success_rate']:.0f} % [{low:.0f}, {high:.0f}] arrive\n"
            axes.text(
                0.03, 0.97, text + f"{told['left']} left, {told['right']} right", va="top", transform=axes.transAxes
            )
            axes.set_aspect("equal")
            axes.set_xlim(-90, 90)
            axes.set_ylim(115, 330)
        figure.supxlabel("to the right of the arm (mm)", fontsize=9, color=MUTED)
        figure.supylabel("ahead of the arm (mm)", fontsize=9, color=MUTED)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130, facecolor=SURFACE)


def main() -> None:
    """Train, follow, tell and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--control", choices=["joint", "hand"], default="hand")
    parser.add_argument("--demonstrations", type=int, default=50)
    parser.add_argument("--steps", type=int, default=1500, help="training steps")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of training")
    parser.add_argument("--episodes", type=int, default=50, help="of each policy")
    parser.add_argument("--runs", type=Path, default=Path("runs/reach_around"))
    parser.add_argument("--output", type=Path, default=ROOT / "docs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    runs = train(arguments)
    env = make_environment(EnvironmentSpec("gym_dist2/ReachAround-v0", {"control": arguments.control}))
    count = len(arguments.seeds) * arguments.episodes
    with tqdm(total=arguments.demonstrations + len(PANELS) * count, unit="episode") as progress:
        ways = {DEMONSTRATIONS: []}
        for episode in range(arguments.demonstrations):
            seed = stream_seed(0, "collect", episode)
            ways[DEMONSTRATIONS].append(follow(env, seed, lambda env, _: env.unwrapped.expert_action()))
            progress.update()
        for title, (method, decoding) in PANELS.items():
            ways[title] = ways_of(runs[method], decoding, env, arguments.episodes, progress)
    summaries = {title: summary(found) for title, found in ways.items()}
    for title, told in summaries.items():
        low, high = (100 * bound for bound in told["success_interval"])
        rate = f"{100 * told['success_rate']:.0f} % [{low:.0f}, {high:.0f}] of {told['episodes']}"
        print(f"{title:<30} {rate:<28} {told['left']} left, {told['right']} right")
    facts = {name: value for name, value in vars(arguments).items() if name not in ("runs", "output")}
    name = f"reach_around_{arguments.control}"
    (arguments.output / "results").mkdir(parents=True, exist_ok=True)
    (arguments.output / "results" / f"{name}.json").write_text(
        json.dumps({**facts, "ways": summaries}, indent=1) + "\n"
    )
    draw(ways, summaries, arguments.output / "images" / f"{name}.png")


if __name__ == "__main__":
    main()
