"""Whether a policy fits a robot: all that must agree before anything is connected."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from dist2_robot.actions.spec import UNKNOWN_UNIT
from dist2_robot.actions.units import WRITE_SPEC, unit_differences
from dist2_robot.deploy.inference import PolicyCard
from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.deploy.robot import RobotDescription

ASPECT = 0.02  # how much the sides of a picture may differ in proportion


def differences(card: PolicyCard, robot: RobotDescription, settings: ControlSettings) -> list[str]:
    """Return all that keeps a policy from a robot, one line each, naming the part; an empty list if it fits."""
    return [
        *_actions(card, robot),
        *_limits(card, robot),
        *_observation(card, robot),
        *_rate(card, settings),
        *_task(card, settings),
        *_sameness(card),
    ]


def _actions(card: PolicyCard, robot: RobotDescription) -> Iterator[str]:
    policy, has = card.spec, robot.spec
    if policy.control_mode != "absolute" or has.control_mode != "absolute":
        yield (
            f"the policy's actions are {policy.control_mode}, the robot's {has.control_mode}: only absolute joint "
            "targets can be kept inside limits; train on recordings with those"
        )
    if policy.names != has.names:
        if sorted(policy.names) == sorted(has.names):
            yield f"the order of the joints differs: the policy has {_list(policy.names)}, the robot {_list(has.names)}"
        for i, (wanted, given) in enumerate(zip_longest(policy.names, has.names)):
            if wanted != given:
                yield f"action {i} is '{wanted}' for the policy and '{given}' for the robot"
    by_name = {d.name: d for d in has.dimensions}
    shared = [(d, by_name[d.name]) for d in policy.dimensions if d.name in by_name]
    yield from _units([d.name for d, _ in shared], [d.unit for d, _ in shared], [other.unit for _, other in shared])
    for dimension, other in shared:
        for entry in ("kind", "wraps"):
            wanted, given = getattr(dimension, entry), getattr(other, entry)
            if wanted != given:
                yield f"'{dimension.name}': its {entry} is {wanted} for the policy and {given} for the robot"


def _units(names: Sequence[str], policy: Sequence[str], robot: Sequence[str], where: str = "") -> Iterator[str]:
    """Yield a line for each two units that differ, with the numbers that they belong to."""
    for some, wanted, given in unit_differences(names, policy, robot):
        shown = some if len(some) <= 3 else some[:2]
        what = (
            ", ".join(f"'{name}'" for name in shown) + (f" and {len(some) - 2} more" if len(some) > 3 else "") + where
        )
        its = "its unit is" if len(some) == 1 else "their unit is"
        if wanted == UNKNOWN_UNIT:
            yield (
                f"{what}: {its} not known for the policy and {given} for the robot: say spec=arm.yaml with what the "
                f"policy was trained on, a file that {WRITE_SPEC} writes"
            )
        elif given == UNKNOWN_UNIT:
            yield (
                f"{what}: {its} {wanted} for the policy and not known for the robot: say in the robot's own spec "
                "(robot.spec) what it takes"
            )
        else:
            mend = ": set use_degrees of the robot as it was recorded" if {wanted, given} == {"deg", "%"} else ""
            yield f"{what}: {its} {wanted} for the policy and {given} for the robot{mend}"


def _limits(card: PolicyCard, robot: RobotDescription) -> Iterator[str]:
    if len(card.spec) != len(robot.limits.low):
        return
    for d, low, high in zip(card.spec.dimensions, robot.limits.low, robot.limits.high, strict=True):
        if max(d.low, low) >= min(d.high, high):
            yield (
                f"'{d.name}': the policy's range {d.low:.4g} to {d.high:.4g} and the robot's {low:.4g} to {high:.4g} "
                "do not overlap"
            )


def _observation(card: PolicyCard, robot: RobotDescription) -> Iterator[str]:
    for feature, size in card.observation.numbers.items():
        wanted = list(card.observation_names.get(feature, []))
        given = list(robot.observation_names.get(feature, []))
        if not given:
            yield f"the policy looks at '{feature}', which the robot does not tell"
        elif wanted and wanted != given:
            yield f"'{feature}' is {_list(wanted)} for the policy and {_list(given)} for the robot"
        elif len(given) != size:
            yield f"'{feature}' has {size} numbers for the policy and {len(given)} for the robot"
        else:
            yield from _observed_units(feature, given, card, robot)
    for camera, (height, width) in card.observation.drawn.items():
        if camera not in robot.pictures:
            has = f"only {_list(sorted(robot.pictures))}" if robot.pictures else "no camera"
            yield f"the policy looks at '{camera}', the robot has {has}"
            continue
        rows, columns = robot.pictures[camera]
        if abs((rows / columns) / (height / width) - 1) > ASPECT:
            yield (
                f"'{camera}' is {width}x{height} for the policy and {columns}x{rows} for the robot: of another shape, "
                "so resizing would distort it"
            )


def _observed_units(feature: str, names: Sequence[str], card: PolicyCard, robot: RobotDescription) -> Iterator[str]:
    """Yield what differs in the units of a feature, where both sides tell them."""
    wanted, given = card.observation_units.get(feature), robot.observation_units.get(feature)
    if wanted is None or given is None:
        return
    if not len(wanted) == len(given) == len(names):
        yield f"'{feature}' has {len(names)} numbers, {len(wanted)} units for the policy and {len(given)} for the robot"
        return
    yield from _units(names, wanted, given, f" of '{feature}'")


def _rate(card: PolicyCard, settings: ControlSettings) -> Iterator[str]:
    if settings.rate_hz < card.spec.rate_hz * (1 - 1e-6):
        yield f"the loop's rate_hz={settings.rate_hz:g} is below the policy's {card.spec.rate_hz:g} actions a second"
    if settings.n_action_steps > card.horizon:
        yield f"n_action_steps={settings.n_action_steps} is more than the {card.horizon} steps of a chunk"


def _task(card: PolicyCard, settings: ControlSettings) -> Iterator[str]:
    told = card.observation.tasks
    if told and settings.task is None:
        yield f"the policy must be told what to do: task='{told[0]}' for example"
    elif told and settings.task not in told:
        yield f"the policy does not know the task '{settings.task}', only {_list(told)}"


def _sameness(card: PolicyCard) -> Iterator[str]:
    if card.golden_wrong:
        yield (
            f"the policy gives {card.golden_wrong} of its golden tokens differently here: its tokenizer, normaliser, "
            "weights or libraries are not those of its training"
        )


def _list(names: object) -> str:
    return "[" + ", ".join(str(name) for name in names) + "]"  # type: ignore[attr-defined]
