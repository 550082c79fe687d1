"""dist2-sweep: success of checkpoints as one thing about their evaluation is changed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dist2_robot.checkpoints.store import find_checkpoint, load_policy
from dist2_robot.cli.app import run_command
from dist2_robot.cli.device import choose_device
from dist2_robot.cli.environments import check_fits, choose_environments
from dist2_robot.cli.evaluate import evaluate_policy
from dist2_robot.cli.folder_lock import locked
from dist2_robot.errors import InputError, did_you_mean
from dist2_robot.evaluation.sweep import SweepPoint, format_sweep, summarise_sweep
from dist2_robot.evaluation.sweep_figure import write_sweep_picture
from dist2_robot.json_file import write_json
from dist2_robot.policies.policy import Policy
from dist2_robot.rollouts.environment import EnvironmentSpec

ABOUT = """
Evaluate checkpoints again and again on the same initial states, changing one thing: table, picture and sweep.json.

  dist2-sweep runs=[runs/push] over=n_action_steps                  # how many actions of each chunk to execute
  dist2-sweep runs=[runs/a,runs/b] over=perturbations episodes=30    # all that the environment has, one after the other
  dist2-sweep runs=[runs/a] over=[sensor_noise,delay] values=[0,0.5,1]
"""

OPTIONS = {"n_action_steps": [1, 2, 4, 8], "ensemble": [0.0, 0.01, 0.1], "decoding": ["argmax", "median", "local_mean"]}
SEVERITIES = [0.0, 0.25, 0.5, 1.0]
# What the environments of gym_dist2 for the SO-101 can be perturbed by; they check it.
PERTURBATIONS = ["sensor_noise", "action_noise", "delay", "pushes", "mass", "friction"]
PERTURBATIONS += ["lighting", "texture", "camera_shift"]  # of pictures


def sweep(config: dict[str, Any]) -> int:
    """Evaluate what a config says, and let no other process write to the same folder meanwhile."""
    points = _points(config["over"], config["values"])
    runs = [config["runs"]] if isinstance(config["runs"], str) else list(config["runs"])
    if not runs:
        raise InputError("no run is named: give runs=[FOLDER,...]")
    for run in runs:
        find_checkpoint(Path(run))  # before a folder is made for what is none
    output = Path(config["output"] or Path(runs[0]) / "sweep")
    with locked(output):
        return _sweep(config, runs, points, output)


def _sweep(config: Mapping[str, Any], runs: Sequence[str], points: Sequence[SweepPoint], output: Path) -> int:
    """Runs, points, evaluations, results."""
    rows: list[dict[str, Any]] = []
    for run in runs:
        policy, manifest = load_policy(run, str(choose_device(config["device"])))
        environments = choose_environments(config["env"], manifest.environments)
        if len(environments) != 1:
            raise InputError(
                f"checkpoint '{run}' was trained in {len(environments)} environments: name one with env=..."
            )
        environment = environments[0]
        check_fits(
            environment, policy.spec, manifest.observation_names, f"checkpoint '{run}'", manifest.observation_units
        )
        for number, point in enumerate(points, 1):
            print(f"{Path(run).name}, {point} ({number} of {len(points)})")
            results = _evaluate(policy, environment, point, config)
            rows.append({"run": str(run), "over": point.over, "value": point.value, **results})
            write_json(output / "sweep.json", {"kind": "sweep", "rows": rows})
    found = summarise_sweep(rows)
    print(format_sweep(found))
    picture = write_sweep_picture(found, output / "sweep.png")
    print(f"picture: {picture}; results: {output / 'sweep.json'}")
    return 0


def _points(over: str | Sequence[str], values: Sequence[Any] | None) -> list[SweepPoint]:
    if over == "perturbations":
        over = PERTURBATIONS
    names = [over] if isinstance(over, str) else list(over)
    known = [*OPTIONS, *PERTURBATIONS]
    points = []
    for name in names:
        if name not in known:
            near = did_you_mean(name, known)
            raise InputError(f"nothing to sweep is called '{name}'.{near} Known: perturbations, {', '.join(known)}")
        points += [SweepPoint(name, value) for value in (values or OPTIONS.get(name, SEVERITIES))]
    return points


def _evaluate(
    policy: Policy, environment: EnvironmentSpec, point: SweepPoint, config: Mapping[str, Any]
) -> dict[str, Any]:
    options = {key: config[key] for key in ("episodes", "seed", "n_action_steps", "max_steps", "workers", "batch_size")}
    if point.over == "decoding":
        try:
            policy = policy.with_decoding(point.value)  # pyright: ignore
        except ValueError as error:
            raise InputError(str(error)) from error
    elif point.over in OPTIONS:
        options[point.over] = point.value
    elif point.value:  # severity 0 is the environment as it is, which every environment has
        perturb = {**environment.kwargs.get("perturb", {}), point.over: point.value}
        environment = replace(environment, kwargs={**environment.kwargs, "perturb": perturb})
    return evaluate_policy(policy, environment, **options)


def main() -> None:
    run_command("dist2-sweep", "sweep", ABOUT, sweep)


if __name__ == "__main__":
    main()
