"""dist2-eval: a checkpoint to a success rate, or to its scores on held-out episodes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.actions.spec_file import read_spec_file
from dist2_robot.actions.tell import tell_actions, tell_observed
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.checkpoints.registry import look_up
from dist2_robot.checkpoints.store import find_checkpoint, load_policy
from dist2_robot.cli.app import run_command
from dist2_robot.cli.device import choose_device, use_threads
from dist2_robot.cli.environments import check_fits, choose_environments
from dist2_robot.cli.evaluate import evaluate_policy
from dist2_robot.cli.folder_lock import locked
from dist2_robot.cli.held_out import held_out_windows, run_of, write_scores
from dist2_robot.cli.rater import new_rater
from dist2_robot.cli.trackers import check_trackers, send_evaluation, send_scores
from dist2_robot.errors import InputError
from dist2_robot.evaluation.beside import Moment, draw_beside
from dist2_robot.evaluation.compare import format_rate, format_score
from dist2_robot.evaluation.filmstrip import write_filmstrip
from dist2_robot.evaluation.returns import format_returns
from dist2_robot.evaluation.tasks import format_tasks, summarise_tasks
from dist2_robot.finite import NonFiniteOutputError
from dist2_robot.json_file import write_json
from dist2_robot.policies.decoding import RULES
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.rollouts.environment import EnvironmentSpec
from dist2_robot.rollouts.episode import EpisodeResult
from dist2_robot.rollouts.video import write_video

ABOUT = """
Run a checkpoint in simulation and report its success rate, with an interval. Without a simulation: how far it is from
the demonstrations that its training held out, or from those of another dataset.

  dist2-eval checkpoint=runs/push episodes=50 seed=1000 output=runs/push/eval
  dist2-eval checkpoint=runs/door env=none decoding=median output=runs/door/median     # held-out episodes
  dist2-eval checkpoint=runs/door env=none dataset.root=data/other_day                 # all of other episodes

The initial state of episode i depends on (seed, i) alone, so two checkpoints evaluated with the same seed meet the
same states, and dist2-compare can pair them. A policy of several tasks is evaluated on each of them, or on those
named: env=metaworld task=[push-v3,reach-v3].

A reward model (dist2-train policy=reward_model) rates how far the episodes got, and may stop those that do not:

  dist2-eval checkpoint=runs/push reward_model=runs/reward stop_below=8 stop_after=40
"""


def evaluate(config: dict[str, Any]) -> int:
    """Evaluate what a config says, and let no other process write to the same folder meanwhile."""
    check_trackers(config["tracker"])
    use_threads(config["threads"])
    checkpoint = Path(config["checkpoint"])
    find_checkpoint(checkpoint)  # before a folder is made for what is none
    output = Path(config["output"] or run_of(checkpoint) / "eval")
    with locked(output):
        try:
            return _evaluate_checkpoint(config, output)
        except NonFiniteOutputError as error:  # finite weights, yet so large that what they give is not
            raise InputError(f"'{checkpoint}': {error}: the checkpoint is damaged, or its training diverged") from error


def _evaluate_checkpoint(config: dict[str, Any], output: Path) -> int:
    """Checkpoint, environment, episodes, results."""
    policy, manifest = load_policy(config["checkpoint"], str(choose_device(config["device"])))
    if config["decoding"]:
        look_up(RULES, config["decoding"], "decoding rule")
        if not isinstance(policy, DiscretePolicy):
            raise InputError(f"checkpoint '{config['checkpoint']}' has no tokens to decode: leave decoding= away")
        try:
            policy = policy.with_decoding(config["decoding"])
        except ValueError as error:
            raise InputError(str(error)) from error
    environments = choose_environments(config["env"], manifest.environments)
    if not environments:
        return _score(policy, manifest, config, output)
    if config["dataset"]["root"] is not None:
        raise InputError("dataset.root= is of recorded episodes, and there is a simulation: give env=none with it")
    spec, units = policy.spec, manifest.observation_units
    if config["spec"]:
        said = read_spec_file(Path(str(config["spec"])))
        spec = tell_actions(spec, said)
        units = tell_observed(manifest.observation_names, units, said, spec)
    what = f"checkpoint '{config['checkpoint']}'"
    told = [check_fits(environment, spec, manifest.observation_names, what, units) for environment in environments]
    about = {"checkpoint": str(config["checkpoint"]), "step": manifest.step}
    about["observation_names"] = manifest.observation_names
    results = []
    for name, environment, task in zip(_names(environments), environments, told, strict=True):
        if len(environments) > 1:
            print(f"{name}: {task}")
        place = output / name if len(environments) > 1 else output
        results.append(_evaluate(policy, environment, place, config) | {**about, "task": task})
        _write(results[-1], place)
        send_evaluation(config, place, results[-1])
    if len(environments) > 1:
        results.append(summarise_tasks(dict(zip(_names(environments), results, strict=True))) | about)
        print(format_tasks(results[-1]))
        _write(results[-1], output)
    print(f"results: {output / 'results.json'}")
    return 1 if results[-1]["success_rate"] is None else 0


def _score(policy: Policy, manifest: Manifest, config: Mapping[str, Any], output: Path) -> int:
    """Score recorded episodes in place of simulated ones."""
    checkpoint = Path(config["checkpoint"])
    for option in ("ensemble", "until", "max_steps", "reward_model"):
        if config[option] is not None:
            raise InputError(
                f"{option}= is of a simulation, and '{checkpoint}' names none: give env=..., or leave it out"
            )
    if config["env"]["id"] == "recorded":
        print(f"'{checkpoint}' names no simulation (env=...): it is scored on recorded episodes")
    if config["spec"]:
        policy.spec = tell_actions(policy.spec, read_spec_file(Path(str(config["spec"]))))
    windows, data = held_out_windows(checkpoint, policy, manifest, config["dataset"]["root"], config["dataset"]["spec"])
    about = {
        "checkpoint": str(checkpoint),
        "step": manifest.step,
        "dataset": data.describe()["root"],
        "fingerprint": data.table.fingerprint,
    }
    results = write_scores(policy, windows, output / "results.json", about)
    send_scores(config, output, results)
    print(f"results: {output / 'results.json'}")
    return 0


def _evaluate(policy: Policy, environment: EnvironmentSpec, output: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Run the episodes of one environment, film some, say how it went."""
    films, rater = _Films(output, policy.spec), new_rater(config, str(choose_device(config["device"])))
    results = evaluate_policy(
        policy,
        environment,
        episodes=config["episodes"],
        seed=config["seed"],
        n_action_steps=config["n_action_steps"],
        workers=config["workers"],
        batch_size=config["batch_size"],
        max_steps=config["max_steps"],
        ensemble=config["ensemble"],
        until=config["until"],
        rater=rater,
        film=range(min(config["videos"], config["episodes"])),
        on_film=films.write,
    )
    print(
        f"success {format_rate(results['success_rate'], results['success_interval'])} of {results['episodes']} episodes"
    )
    print(f"at the last step {format_rate(results['success_rate_at_end'], results['success_at_end_interval'])}")
    for line in format_returns(results):
        print(line)
    if rater is not None:
        rated = format_score(results["rated_score"], results["rated_score_interval"])
        print(f"rated {rated}; {len(rater.stopped)} episodes stopped")
    if results.get("note"):
        print(results["note"])
    print(f"{results['steps_per_s']:.0f} steps/s")
    return results | {"videos": films.videos, "filmstrips": films.strips}


def _write(results: Mapping[str, Any], output: Path) -> None:
    write_json(output / "results.json", results)


def _names(environments: Sequence[EnvironmentSpec]) -> list[str]:
    """Return a short name for each of several environments, fit for a folder: the task, else the number."""
    names = [str(environment.kwargs.get("task", environment.id)).rpartition("/")[2] for environment in environments]
    return names if len(set(names)) == len(names) else [f"{i}_{name}" for i, name in enumerate(names)]


class _Films:
    """Writes filmed episodes as MP4 and filmstrip, and remembers where."""

    def __init__(self, output: Path, spec: ActionSpec) -> None:
        self.output, self.spec = output, spec
        self.videos: list[dict[str, Any]] = []
        self.strips: list[dict[str, Any]] = []

    def write(self, result: EpisodeResult, moments: list[Moment]) -> None:
        assert result.frames is not None
        frames = draw_beside(result.frames, self.spec.rate_hz / result.frames_hz, moments, self.spec)
        stem = f"videos/episode_{result.index:04d}"
        entry = {"episode": result.index, "outcome": result.outcome}
        write_video(self.output / f"{stem}.mp4", frames, result.frames_hz)
        write_filmstrip(self.output / f"{stem}.png", result.frames)
        self.videos.append({"path": f"{stem}.mp4", **entry})
        self.strips.append({"path": f"{stem}.png", **entry})


def main() -> None:
    run_command("dist2-eval", "eval", ABOUT, evaluate)


if __name__ == "__main__":
    main()
