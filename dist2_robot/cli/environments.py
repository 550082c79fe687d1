"""Which environment a command means, and whether a dataset or checkpoint fits it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dist2_robot.actions.spec import UNKNOWN_UNIT, ActionSpec
from dist2_robot.actions.units import WRITE_SPEC, unit_differences
from dist2_robot.errors import InputError
from dist2_robot.rollouts.environment import IMAGES, EnvironmentSpec, action_spec, make_environment
from dist2_robot.types import ObservationSpec

ASPECT = 0.02  # how much the sides of pictures may differ in proportion
ADAPTED = "gym_dist2/Adapted-v0"  # any other environment, by a mapping


def choose_environment(config: Mapping[str, Any], recorded: Mapping[str, Any] | None) -> EnvironmentSpec | None:
    """Return the environment of the ``env`` group; ``recorded`` means the one a dataset or checkpoint names, if any."""
    if config["id"] == "none":
        return None
    if config["id"] == "recorded":
        return EnvironmentSpec(recorded["id"], dict(recorded["kwargs"])) if recorded else None
    if "observation" in config:
        return EnvironmentSpec(ADAPTED, _adapted(config))
    missing = [key for key, value in config["kwargs"].items() if value is None]
    if missing:
        raise InputError(f"environment '{config['id']}' needs {missing[0]}=..., e.g. task=push-v3")
    return EnvironmentSpec(config["id"], _telling(config["kwargs"]))


def choose_environments(config: Mapping[str, Any], recorded: Sequence[Mapping[str, Any]]) -> list[EnvironmentSpec]:
    """Return the environments of the ``env`` group; all that were recorded, if it says so.

    A list of tasks means one environment each.
    """
    if config["id"] == "recorded":
        chosen = [choose_environment(config, one) for one in recorded]
    elif isinstance(tasks := config.get("kwargs", {}).get("task"), list):
        chosen = [choose_environment({**config, "kwargs": {**config["kwargs"], "task": one}}, None) for one in tasks]
    else:
        chosen = [choose_environment(config, None)]
    return [environment for environment in chosen if environment is not None]


def as_seen(environment: EnvironmentSpec, observation: ObservationSpec) -> EnvironmentSpec:
    """Return an environment that shows the pictures and the history that a policy looks at.

    Pictures are drawn in the size in which they were recorded, and the policy resizes them as its training did: one
    that is drawn small looks otherwise. An adapted environment draws what its own mapping says.
    """
    kwargs = dict(environment.kwargs)
    if observation.pictures and environment.id != ADAPTED:
        kwargs["cameras"] = tuple(name.removeprefix(IMAGES) for name in observation.pictures)
        kwargs["image_size"] = drawn_size(observation)
    return replace(environment, kwargs=kwargs, history=observation.history)


def drawn_size(observation: ObservationSpec) -> int | list[int]:
    """Return in what size a simulation, which has one for all cameras, draws what a policy looks at.

    The recorded one; the largest, where cameras differ in size only; a square of the longest side for policies that do
    not tell how they were recorded. A number means squares, else [height, width].

    Raises:
        InputError: The cameras were recorded in different shapes.
    """
    if not observation.recorded:
        return max(max(size) for size in observation.pictures.values())
    sizes = sorted(observation.drawn.values())
    height, width = sizes[-1]
    odd = [size for size in sizes if abs(size[0] * width / (size[1] * height) - 1) > ASPECT]
    if odd:
        raise InputError(
            f"a simulation draws all cameras in one shape, and those of the policy were recorded as {odd[0][0]} x "
            f"{odd[0][1]} and {height} x {width} pixels: train one on one camera, or on pictures of one shape"
        )
    return height if height == width else [height, width]


def _telling(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments without perturbations of severity 0, which would be listed wherever the environment is named.

    Degrees are not told either, so that results from before there was another unit stay those of the same environment.
    """
    told = {name: value for name, value in kwargs.items() if (name, value) != ("use_degrees", True)}
    if perturb := {kind: severity for kind, severity in told.pop("perturb", {}).items() if severity}:
        told["perturb"] = perturb
    return told


def _adapted(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the environment that stands for another one, without those that say nothing."""
    if config["id"] is None:
        raise InputError("env=gymnasium needs the id of a registered environment, e.g. env.id=Pendulum-v1")
    renamed = {"id": "env_id", "task_description": "task"}
    given = {renamed.get(key, key): value for key, value in config.items()}
    given["observation"] = {part: path for part, path in config["observation"].items() if path is not None}
    return {key: value for key, value in given.items() if value not in (None, {}, "")}


def check_fits(
    environment: EnvironmentSpec,
    spec: ActionSpec,
    observation_names: Mapping[str, Sequence[str]],
    what: str,
    observation_units: Mapping[str, Sequence[str]] | None = None,
) -> str | None:
    """Return what is to be done in an environment, in words, if it tells; data or a policy must fit it.

    Args:
        environment: Made once to read what it publishes.
        spec: Actions of the data or the policy.
        observation_names: Feature -> names of its numbers, of the features that are used.
        what: What must fit, e.g. ``dataset 'data/push'``.
        observation_units: Feature -> units of its numbers, as far as they are told.

    Raises:
        InputError: They do not; it names the first difference.
    """
    env = make_environment(environment)
    try:
        expected, observed = action_spec(env), env.metadata["observation_names"]
        units_there = env.metadata.get("observation_units", {})
        task = str(env.get_wrapper_attr("task_description")) if env.has_wrapper_attr("task_description") else None
    finally:
        env.close()
    mend = "choose the environment that it was recorded in, or env=none"
    for entry in ("names", "control_mode"):
        if getattr(spec, entry) != getattr(expected, entry):
            raise InputError(
                f"{what} does not fit {environment}: its action {entry} are {_show(getattr(spec, entry))}, the "
                f"environment has {_show(getattr(expected, entry))}: {mend}"
            )
    _check_units(f"{what} does not fit {environment}", "action", spec.names, spec.units, expected.units, mend)
    for feature, names in observation_names.items():
        if list(names) != list(observed.get(feature, [])):
            raise InputError(
                f"{what} does not fit {environment}: its '{feature}' is {_show(names)}, the environment has "
                f"{_show(observed.get(feature, 'none'))}: {mend}"
            )
        if (told := (observation_units or {}).get(feature)) and (there := units_there.get(feature)):
            _check_units(f"{what} does not fit {environment}", f"'{feature}'", names, told, there, mend)
    return task


def _check_units(
    misfit: str, part: str, names: Sequence[str], told: Sequence[str], there: Sequence[str], mend: str
) -> None:
    """Raise InputError where two sides have other units, or one of them has some and the other has not."""
    for some, one, other in unit_differences(names, told, there):
        if one == UNKNOWN_UNIT:
            mend = f"tell them with dataset.spec= in training, spec= of a checkpoint: {WRITE_SPEC} writes it"
        elif other == UNKNOWN_UNIT:
            mend = "say what they are in its configuration (env.action.dimensions, env.observation.units)"
        elif {one, other} == {"deg", "%"}:
            mend += "; of the SO-101, env.kwargs.use_degrees must be as it was recorded"
        raise InputError(f"{misfit}: its {part} units of {_show(some)} are {one}, the environment has {other}: {mend}")


def _show(value: str | Sequence[str]) -> str:
    if isinstance(value, str):
        return value
    return f"[{', '.join(value)}]" if len(value) <= 8 else f"[{', '.join(value[:4])}, ... {len(value)} in all]"
