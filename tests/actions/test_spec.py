"""Laws of action specs: they survive JSON, and what they refuse they name."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.errors import InputError

KINDS = ["joint", "ee_position", "ee_rotation", "gripper", "score"]

numbers = st.floats(-1e6, 1e6)
spans = st.floats(1e-3, 1e6)


@st.composite
def dimensions(draw, name):
    low = draw(numbers)
    return ActionDimension(
        name=name,
        kind=draw(st.sampled_from(KINDS)),
        unit=draw(st.sampled_from(["rad", "deg", "m", "%", "?"])),
        low=low,
        high=low + draw(spans),
        wraps=draw(st.booleans()),
        tolerance=draw(st.one_of(st.just(math.nan), spans)),
    )


@st.composite
def specs(draw):
    names = draw(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5, unique=True))
    return ActionSpec(
        dimensions=tuple(draw(dimensions(name)) for name in names),
        control_mode=draw(st.sampled_from(["absolute", "delta"])),
        rate_hz=draw(st.floats(0.1, 1000.0)),
        source=draw(st.sampled_from(["environment", "robot", "file", "data"])),
    )


def gripper(**changes):
    return {"name": "claw", "kind": "gripper", "unit": "m", "low": 0.0, "high": 0.08, **changes}


def one_dimension(**changes):
    return {"dimensions": [gripper()], "control_mode": "absolute", "rate_hz": 30.0, "source": "file", **changes}


@given(specs())
def test_a_spec_survives_json(spec):
    assert ActionSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_numpy_and_whole_numbers_survive_json_too():
    spec = ActionSpec((ActionDimension("x", "joint", "rad", np.float32(-1), 1),), "delta", np.float32(10), "robot")
    assert ActionSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@given(specs())
def test_names_and_units_keep_the_order_of_the_dimensions(spec):
    assert len(spec) == len(spec.dimensions)
    assert list(zip(spec.names, spec.units, strict=True)) == [(d.name, d.unit) for d in spec.dimensions]


@given(numbers, spans)
def test_the_tolerance_is_a_hundredth_of_the_range_unless_told(low, span):
    high = low + span
    assert ActionDimension("x", "joint", "rad", low, high).tolerance == pytest.approx((high - low) / 100)
    assert ActionDimension("x", "joint", "rad", low, high, tolerance=0.5).tolerance == 0.5


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "claw"},
        {"low": 0.08},
        {"low": 1.0},
        {"low": math.nan},
        {"low": -math.inf},
        {"high": math.nan},
        {"high": math.inf},
        {"low": "0.0"},
        {"high": None},
        {"tolerance": 0.0},
        {"tolerance": -0.1},
        {"tolerance": math.inf},
        {"tolerance": "1 cm"},
        {"wraps": "false"},
        {"speed": 3.0},
    ],
    ids=lambda changes: "{}={}".format(*next(iter(changes.items()))),
)
def test_a_refused_dimension_is_named(changes):
    entries = one_dimension(dimensions=[gripper(name="wrist"), gripper(**changes)])
    with pytest.raises(InputError, match=r"^[^\n]*'claw'[^\n]*$"):
        ActionSpec.from_dict(entries)


@pytest.mark.parametrize("entry", ["kind", "unit", "low", "high"])
def test_a_dimension_that_lacks_an_entry_is_named_with_it(entry):
    incomplete = {key: value for key, value in gripper().items() if key != entry}
    with pytest.raises(InputError, match=rf"'claw'.*missing \['{entry}'\]"):
        ActionSpec.from_dict(one_dimension(dimensions=[incomplete]))


def test_a_dimension_without_a_name_is_told_by_its_place():
    nameless = {key: value for key, value in gripper().items() if key != "name"}
    with pytest.raises(InputError, match=r"'1'.*missing \['name'\]"):
        ActionSpec.from_dict(one_dimension(dimensions=[gripper(), nameless]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"control_mode": "torque"}, "control mode 'torque'"),
        ({"dimensions": []}, "at least one dimension"),
        ({"dimensions": [gripper(), gripper()]}, "different names.*claw"),
        ({"dimensions": ["claw"]}, "action dimension '0'.*got 'claw'"),
        ({"rate_hz": 0.0}, "rate"),
        ({"rate_hz": math.nan}, "rate"),
        ({"rate_hz": "fast"}, "rate.*fast"),
        ({"colour": "red"}, r"unknown \['colour'\]"),
    ],
)
def test_a_refused_spec_says_what_is_wrong(changes, message):
    with pytest.raises(InputError, match=message):
        ActionSpec.from_dict(one_dimension(**changes))


def test_a_spec_that_lacks_an_entry_says_which():
    incomplete = one_dimension()
    del incomplete["rate_hz"]
    with pytest.raises(InputError, match=r"missing \['rate_hz'\]"):
        ActionSpec.from_dict(incomplete)
