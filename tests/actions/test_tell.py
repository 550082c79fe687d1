"""Units told after the training: only what was not known may be told."""

from dataclasses import replace

import pytest

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.actions.tell import tell_actions, tell_observed
from dist2_robot.actions.told_spec import told_spec
from dist2_robot.errors import InputError

SPEC = ActionSpec(
    (ActionDimension("pan.pos", "joint", "?", -90.0, 90.0), ActionDimension("gripper.pos", "gripper", "%", 0.0, 100.0)),
    "absolute",
    30.0,
    "data",
)
NAMES = {"observation.state": ["pan.pos", "hand_x"]}


def tell(**content):
    return told_spec(content, "'arm.yaml'")


def test_an_unknown_unit_is_told_and_all_else_stays():
    told = tell(action=[{"name": "pan.pos", "unit": "deg", "low": -90.00001, "high": 90}], rate_hz=30)
    spec = tell_actions(SPEC, told)
    assert spec == replace(SPEC, dimensions=(replace(SPEC.dimensions[0], unit="deg"), SPEC.dimensions[1]))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"action": [{"name": "gripper.pos", "unit": "deg"}]}, r"has unit deg, the policy was trained with %"),
        ({"action": [{"name": "pan.pos", "unit": "deg", "high": 120}]}, "has high 120, the policy was trained with 90"),
        ({"action": [{"name": "pan.pos", "kind": "gripper"}]}, "has kind gripper, .* with joint"),
        ({"action": [{"name": "pan.pos", "wraps": True}]}, "has wraps True"),
        ({"action": [{"name": "tilt.pos"}]}, "tells of 'tilt.pos' in 'action', the policy has pan.pos, gripper.pos"),
        ({"action": [{"name": "pan.pos"}], "rate_hz": 10}, "rate_hz is 10, the policy was trained with 30"),
        ({"action": [{"name": "pan.pos"}], "control_mode": "delta"}, "control_mode is delta"),
    ],
)
def test_what_is_known_is_not_told_otherwise(content, said):
    with pytest.raises(InputError, match=said):
        tell_actions(SPEC, tell(**content))


def test_observed_numbers_have_the_unit_of_the_action_of_their_name():
    told = tell(action=[{"name": "pan.pos", "unit": "deg"}])
    unknown = {"observation.state": ["?", "?"]}
    found = tell_observed(NAMES, unknown, told, tell_actions(SPEC, told))
    assert found == {"observation.state": ["deg", "?"]}
    more = tell(
        **{"action": [{"name": "pan.pos", "unit": "deg"}], "observation.state": [{"name": "hand_x", "unit": "m"}]}
    )
    assert tell_observed(NAMES, unknown, more, tell_actions(SPEC, more)) == {"observation.state": ["deg", "m"]}
    assert tell_observed(NAMES, {}, told, tell_actions(SPEC, told)) == {}  # never told, and never asked for
    with pytest.raises(InputError, match=r"'hand_x' of 'observation.state' has unit m, .* with cm"):
        tell_observed(NAMES, {"observation.state": ["deg", "cm"]}, more, tell_actions(SPEC, more))
