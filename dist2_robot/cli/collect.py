"""dist2-collect: a scripted expert to a dataset."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dist2_robot.actions.rating import RATING, SCORE, rating_spec
from dist2_robot.actions.spec import ActionSpec
from dist2_robot.cli.app import run_command
from dist2_robot.cli.environments import choose_environment
from dist2_robot.cli.folder_lock import locked_name
from dist2_robot.data.writer import check_room, write_dataset
from dist2_robot.demonstrations.attempt import Conduct
from dist2_robot.demonstrations.collect import collect_episodes
from dist2_robot.errors import InputError
from dist2_robot.progress import progress_bar
from dist2_robot.rollouts.environment import EnvironmentSpec, action_spec, make_environment

CONDUCT = ("noise", "hold_steps", "lapses", "keep_failures", "rate")
ABOUT = """
Record successful episodes of an environment's scripted expert as a LeRobot dataset.

  dist2-collect env=metaworld task=push-v3 episodes=50 seed=0 dataset.root=data/push

With rate=true every moment is rated, for a reward model to learn from; that needs episodes that fail, too:

  dist2-collect env=so101 task=Push env.kwargs.control=hand lapses=0.5 keep_failures=true rate=true \\
    dataset.root=data/rated
"""


def collect(config: dict[str, Any]) -> int:
    """Record what a config says, and let no other process write the same dataset meanwhile."""
    root = Path(config["dataset"]["root"])
    with locked_name(root, "dataset.root"):
        return _collect(config, root)


def _collect(config: dict[str, Any], root: Path) -> int:
    """Environment, expert, dataset."""
    if config["episodes"] < 1:
        raise InputError(f"episodes must be at least 1, got {config['episodes']}")
    _make_room(root, overwrite=config["overwrite"])
    environment = choose_environment(config["env"], recorded=None)
    if environment is None:
        raise InputError("dist2-collect needs an environment, e.g. env=metaworld task=push-v3")
    spec, names, units, task, stages = _look_up(environment)
    ratings = {}
    if config["rate"]:
        if not stages:
            raise InputError(
                f"environment {environment} does not tell of stages, so nothing can be rated: leave out rate="
            )
        ratings = {f"{RATING}_spec": rating_spec(stages, spec.rate_hz).to_dict()}
        names = {**names, RATING: [SCORE, *stages]}
    recorder = environment
    if config["cameras"]:
        pictures = {"cameras": tuple(config["cameras"]), "image_size": config["image_size"]}
        recorder = EnvironmentSpec(environment.id, {**environment.kwargs, **pictures})

    tried = 0

    def on_attempt(*_: object) -> None:
        nonlocal tried
        tried += 1
        progress.set_postfix(tried=tried, refresh=False)

    episodes = collect_episodes(
        recorder,
        config["episodes"],
        config["seed"],
        conduct=Conduct(**{key: config[key] for key in CONDUCT}),
        workers=config["workers"] or os.cpu_count() or 1,
        on_attempt=on_attempt,
    )
    with progress_bar(episodes, desc="collect", total=config["episodes"], unit="episode") as progress:
        frames = write_dataset(
            root,
            progress,
            spec,
            observation_names=names,
            robot_type=environment.id,
            recording={
                "environment": {"id": environment.id, "kwargs": dict(environment.kwargs)},
                "observation_units": units,
                "task": task,
                "seed": config["seed"],
                **{key: config[key] for key in CONDUCT if key != "hold_steps"},
                **ratings,
            },
            video=config["video"],
        )
    print(f"{config['episodes']} episodes of {tried} tried, {frames} frames: {root}")
    return 0


def _look_up(
    environment: EnvironmentSpec,
) -> tuple[ActionSpec, Mapping[str, list[str]], dict[str, list[str]], str, list[str]]:
    """Return what an action is, names and units of observed numbers, the task in words, and its stages, if any.

    Raises:
        InputError: There is no expert.
    """
    env = make_environment(environment)
    try:
        task = str(env.get_wrapper_attr("task_description"))
        env.reset(seed=0)
        env.get_wrapper_attr("expert_action")()
        stages = list(env.get_wrapper_attr("stages")()) if env.has_wrapper_attr("stages") else []
        names = env.metadata["observation_names"]
        units = {name: list(some) for name, some in env.metadata.get("observation_units", {}).items() if name in names}
        return action_spec(env), names, units, task, stages
    except AttributeError as error:
        raise InputError(
            f"environment {environment} has no scripted expert whose episodes could be recorded"
        ) from error
    finally:
        env.close()


def _make_room(root: Path, *, overwrite: bool) -> None:
    """Remove an old dataset if asked to; never anything that is not a dataset."""
    check_room(root, overwrite=overwrite)
    if root.exists():
        shutil.rmtree(root)


def main() -> None:
    run_command("dist2-collect", "collect", ABOUT, collect)


if __name__ == "__main__":
    main()
