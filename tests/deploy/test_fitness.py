"""Row D13: what differs between a policy and a robot is found before anything is connected, and named."""

from dataclasses import replace
from typing import Any

import pytest

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.deploy.loop.fitness import differences
from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.types import STATE, ObservationSpec
from tests.deploy.fakes import FRONT, FakeClock, FakeRobot
from tests.deploy.rigs import card_of

ROBOT = FakeRobot(FakeClock(), picture_size=(48, 64)).description
SPEC = ROBOT.spec
CARD = card_of(SPEC, observation=ObservationSpec({STATE: 3}, {FRONT: (96, 128)}))


def spec(change: str, **entries: Any) -> ActionSpec:
    """Return the robot's spec with another first dimension."""
    first, *rest = SPEC.dimensions
    dimensions = (replace(first, **entries), *rest)
    return replace(SPEC, dimensions=dimensions[::-1] if change == "order" else dimensions)


def test_what_fits_has_no_differences() -> None:
    assert differences(CARD, ROBOT, ControlSettings()) == []


def test_pictures_must_have_the_shape_in_which_they_were_recorded() -> None:
    """Training squashed pictures of 4 to 3 into squares; the robot's are squashed in the same way."""
    squares = ObservationSpec({STATE: 3}, {FRONT: (96, 96)}, recorded={FRONT: (480, 640)})
    assert differences(replace(CARD, observation=squares), ROBOT, ControlSettings()) == []
    others = replace(squares, recorded={FRONT: (84, 84)})
    (found,) = differences(replace(CARD, observation=others), ROBOT, ControlSettings())
    assert "resizing would distort it" in found


@pytest.mark.fault("D13")
@pytest.mark.parametrize(
    ("changes", "settings", "said"),
    [
        ({"spec": spec("order")}, {}, "the order of the joints differs"),
        ({"spec": spec("name", name="elbow.pos")}, {}, "action 0 is 'elbow.pos' for the policy and 'pan.pos'"),
        ({"spec": replace(SPEC, dimensions=SPEC.dimensions[:2])}, {}, "action 2 is 'None' for the policy"),
        ({"spec": spec("unit", unit="rad")}, {}, "'pan.pos': its unit is rad for the policy and deg"),
        ({"spec": spec("kind", kind="gripper")}, {}, "its kind is gripper"),
        ({"spec": spec("range", low=200.0, high=300.0)}, {}, "do not overlap"),
        ({"spec": replace(SPEC, control_mode="delta")}, {}, "the policy's actions are delta"),
        ({"spec": replace(SPEC, rate_hz=50.0)}, {}, "rate_hz=30 is below the policy's 50"),
        ({"observation": ObservationSpec({STATE: 4})}, {}, "'observation.state' has 4 numbers"),
        ({"observation_names": {STATE: ["lift.pos", "pan.pos", "gripper.pos"]}}, {}, "[lift.pos, pan.pos, gripper"),
        ({"observation": ObservationSpec({STATE: 3, "observation.force": 6})}, {}, "which the robot does not tell"),
        ({"observation": ObservationSpec({STATE: 3}, {"observation.images.top": (96, 128)})}, {}, "images.top'"),
        ({"observation": ObservationSpec({STATE: 3}, {FRONT: (96, 96)})}, {}, "resizing would distort it"),
        ({"observation": ObservationSpec({STATE: 3}, tasks=("push",))}, {}, "must be told what to do"),
        ({"observation": ObservationSpec({STATE: 3}, tasks=("push",))}, {"task": "lift"}, "does not know the task"),
        ({"golden_wrong": 2}, {}, "2 of its golden tokens differently"),
        ({}, {"n_action_steps": 17}, "more than the 16 steps"),
    ],
)
def test_every_difference_is_named(changes: dict[str, Any], settings: dict[str, Any], said: str) -> None:
    if "spec" in changes and "observation_names" not in changes:
        changes = {**changes, "observation_names": {STATE: list(SPEC.names)}}
    names = changes.get("observation_names", CARD.observation_names)
    if "observation" in changes and "observation.state" in said:
        names = {}
    found = differences(replace(CARD, **{**changes, "observation_names": names}), ROBOT, ControlSettings(**settings))
    assert any(said in line for line in found), found


@pytest.mark.fault("D13")
def test_all_differences_are_named_at_once() -> None:
    card = replace(CARD, spec=replace(spec("unit", unit="rad"), rate_hz=50.0), golden_wrong=1)
    assert len(differences(card, ROBOT, ControlSettings())) == 3


UNITS = {STATE: ["deg", "deg", "%"]}


def observed(policy: dict[str, list[str]], robot: dict[str, list[str]]) -> list[str]:
    """Return the differences of a policy and a robot that tell these units of what is observed."""
    return differences(
        replace(CARD, observation_units=policy), replace(ROBOT, observation_units=robot), ControlSettings()
    )


@pytest.mark.fault("D13")
def test_units_of_what_is_observed_are_compared_where_both_sides_tell() -> None:
    assert observed(UNITS, UNITS) == []
    assert observed({}, UNITS) == observed(UNITS, {}) == observed({}, {}) == []
    assert observed({STATE: ["?"] * 3}, {STATE: ["?"] * 3}) == []
    (line,) = observed({STATE: ["%"] * 3}, UNITS)
    assert line.startswith(
        "'pan.pos', 'lift.pos' of 'observation.state': their unit is % for the policy and deg for the"
    )
    assert line.endswith("set use_degrees of the robot as it was recorded")
    (line,) = observed({STATE: ["rad", "deg", "%"]}, UNITS)
    assert line == "'pan.pos' of 'observation.state': its unit is rad for the policy and deg for the robot"
    (line,) = observed({STATE: ["?"] * 3}, UNITS)
    assert "not known for the policy and deg, % for the robot: say spec=arm.yaml" in line
    assert "dist2-validate dataset.root=... write_spec=arm.yaml" in line
    (line,) = observed(UNITS, {STATE: ["deg", "?", "%"]})
    assert line.startswith(
        "'lift.pos' of 'observation.state': its unit is deg for the policy and not known for the robot"
    )
    (line,) = observed({STATE: ["deg"]}, UNITS)
    assert line == "'observation.state' has 3 numbers, 1 units for the policy and 3 for the robot"


@pytest.mark.fault("D13")
@pytest.mark.parametrize(
    ("policy", "robot", "said"),
    [
        ("?", "deg", "'pan.pos': its unit is not known for the policy and deg for the robot: say spec=arm.yaml"),
        ("deg", "?", "'pan.pos': its unit is deg for the policy and not known for the robot"),
        ("?", "?", ""),
    ],
)
def test_a_unit_that_one_side_does_not_know_is_a_difference(policy: str, robot: str, said: str) -> None:
    card = replace(CARD, spec=spec("unit", unit=policy))
    found = differences(card, replace(ROBOT, spec=spec("unit", unit=robot)), ControlSettings())
    assert len(found) == bool(said)
    assert all(said in line for line in found)
