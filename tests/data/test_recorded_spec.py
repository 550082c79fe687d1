"""What the numbers of a recording mean: told, proved, or unknown; never a guess that is taken for knowledge."""

import json

import numpy as np
import pytest

from dist2_robot.actions.spec_file import format_spec, read_spec_file
from dist2_robot.actions.told_spec import told_by_environment, told_spec
from dist2_robot.data.audit.audit import audit
from dist2_robot.data.folder import open_folder
from dist2_robot.data.joining import in_one_order
from dist2_robot.data.recorded_spec import describe
from dist2_robot.data.table import join_tables, read_table
from dist2_robot.errors import InputError
from tests.data.recordings import SPEC, write_reach
from tests.data.strangers import NAMES, edit_info, swings, write_arm, write_strange

DEGREES = swings([123, 80, 60, 70, 150, 20]) + np.array([0, 0, 0, 0, 0, 30], np.float32)  # the gripper from 10 to 50
PERCENT = swings([100, 100, 60, 70, 80, 50]) + np.array([0, 0, 0, 0, 0, 50], np.float32)  # two stop at 100
EITHER = swings([90, 80, 60, 70, 99, 45]) + np.array([0, 0, 0, 0, 0, 50], np.float32)


def read(*roots, told=()):
    """Return what the numbers of some datasets mean, and all their frames."""
    folders = [open_folder(root) for root in roots]
    tables = in_one_order(folders, [read_table(folder) for folder in folders])
    return describe(folders, [table.features for table in tables], told), join_tables(tables)


def units(*roots, told=()):
    return read(*roots, told=told)[0].action.units


def tell(*dimensions, **rest):
    return [told_spec({"action": list(dimensions), **rest}, "'arm.yaml'")]


def test_an_arm_that_turns_farther_than_100_is_not_in_percent(tmp_path):
    assert units(write_arm(tmp_path / "a", DEGREES)) == ("deg",) * 5 + ("?",)


def test_joints_that_stop_at_exactly_100_are_in_percent(tmp_path):
    """They were called degrees, and sent as such to an arm in degrees: 44 degrees beside on a wrist that moved."""
    assert units(write_arm(tmp_path / "a", PERCENT)) == ("%",) * 6


def test_what_may_be_either_is_unknown(tmp_path):
    assert units(write_arm(tmp_path / "a", EITHER)) == ("?",) * 6
    one_stop = swings([100, 80, 60, 70, 99, 45])
    assert units(write_arm(tmp_path / "b", one_stop)) == ("?",) * 6
    ticks = swings([2048, 1000, 800, 900, 2000, 500])
    assert units(write_arm(tmp_path / "c", ticks)) == ("?",) * 6


@pytest.mark.parametrize("robot", ["aloha", "panda", None, "unknown"])
def test_degrees_are_proved_only_where_there_is_no_third_unit(tmp_path, robot):
    assert set(units(write_arm(tmp_path / "a", DEGREES, robot_type=robot))) == {"?"}


def test_a_gripper_that_stops_at_0_beside_joints_in_degrees_is_in_percent(tmp_path):
    actions = DEGREES.copy()
    actions[:, 5] = np.clip(actions[:, 5] - 20, 0, 100)
    assert units(write_arm(tmp_path / "a", actions)) == ("deg",) * 5 + ("%",)
    assert units(write_arm(tmp_path / "b", actions, robot_type="koch")) == ("deg",) * 5 + ("?",)  # once in degrees


def test_the_state_proves_the_unit_of_the_action_of_the_same_name(tmp_path):
    told = {"action": NAMES, "observation.state": NAMES}
    columns = {"observation.state": PERCENT, "action": 0.9 * PERCENT}
    recorded, _ = read(write_strange(tmp_path / "a", columns, names=told))
    assert recorded.action.units == ("%",) * 6
    assert [d.unit for d in recorded.observed["observation.state"]] == ["%"] * 6


def test_a_guess_that_was_written_down_is_still_a_guess(tmp_path):
    """An earlier dist2-validate fix= wrote 'deg' beside data in percent, as if the recorder had told."""
    root = write_arm(tmp_path / "a", PERCENT)
    dimensions = [{"name": n, "kind": "joint", "unit": "deg", "low": -110.0, "high": 110.0} for n in NAMES]
    spec = {"dimensions": dimensions, "control_mode": "absolute", "rate_hz": 30.0, "source": "data"}
    (root / "meta/dist2_robot.json").write_text(json.dumps({"action_spec": spec}))
    assert units(root) == ("%",) * 6


def test_what_is_told_is_used(tmp_path):
    root = write_arm(tmp_path / "a", EITHER)
    told = tell(
        {"name": "gripper.pos", "unit": "%", "low": 0, "high": 100, "tolerance": 3},
        {"name": "wrist_roll.pos", "unit": "deg", "low": -180, "high": 180, "wraps": True},
        rate_hz=29.97,
        control_mode="relative",
    )
    spec = read(root, told=told)[0].action
    gripper, roll = spec.dimensions[5], spec.dimensions[4]
    assert (gripper.unit, gripper.low, gripper.high, gripper.tolerance) == ("%", 0, 100, 3)
    assert (roll.unit, roll.low, roll.high, roll.wraps, roll.tolerance) == ("deg", -180, 180, True, pytest.approx(3.6))
    assert spec.units[:4] == ("?",) * 4
    assert (spec.rate_hz, spec.control_mode, spec.source) == (29.97, "relative", "file")


def test_a_tolerance_that_is_told_counts(tmp_path):
    """40 was given in env.action, and 5.49 was used."""
    columns = {"observation.state": swings([250, 250]), "action": swings([250, 250])}
    root = write_strange(tmp_path / "a", columns, robot_type="pusher")
    edit_info(root, "action", names=["x", "y"])
    xy = [
        {"name": n, "kind": "ee_position", "unit": "px", "low": -512.0, "high": 512.0, "tolerance": 40.0} for n in "xy"
    ]
    spec = read(root, told=told_by_environment({"action": {"dimensions": xy, "control_mode": "absolute"}}))[0].action
    assert [d.tolerance for d in spec.dimensions] == [40.0, 40.0]
    assert spec.units == ("px", "px")


def test_numbers_without_names_are_told_in_their_order(tmp_path):
    root = write_strange(tmp_path / "a", {"observation.state": swings([1, 1]), "action": swings([1, 1])})
    spec = read(root, told=tell({"name": "left", "unit": "rad"}, {"name": "right", "unit": "m"}))[0].action
    assert dict(zip(spec.names, spec.units, strict=True)) == {"left": "rad", "right": "m"}
    with pytest.raises(InputError, match=r"tells 1 numbers of 'action', .* has 2 without names"):
        read(root, told=tell({"name": "left", "unit": "rad"}))


def test_numbers_may_be_renamed(tmp_path):
    root = write_arm(tmp_path / "a", EITHER, names=[f"main_{name}" for name in NAMES])
    told = tell({"name": NAMES[4], "recorded_as": f"main_{NAMES[4]}", "unit": "deg"})
    spec = read(root, told=told)[0].action
    assert (spec.names[4], spec.units[4], spec.names[3]) == (NAMES[4], "deg", f"main_{NAMES[3]}")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (tell({"name": "elbow", "unit": "deg"}), "tells of 'elbow' in 'action', which .* does not have: it has should"),
        (tell({"name": NAMES[0], "low": -9, "high": 9}), "told to lie within -9 and 9 .*, .* as far as .*mend limits"),
        (tell({"name": NAMES[0], "unit": "deg"}), "told to be in deg, but its numbers are in %: .* at exactly 100"),
        (tell({"name": NAMES[2]}, rate_hz=10), "rate_hz is 10, .* has 30 frames a second"),
        ([told_spec({"observation.wind": [{"name": "x"}]}, "'arm.yaml'")], "tells of 'observation.wind', which"),
        (
            [
                *tell({"name": NAMES[2], "tolerance": 1}),
                *told_by_environment({"action": {"dimensions": [{"name": NAMES[2], "tolerance": 2}]}}),
            ],
            "'elbow_flex.pos': tolerance is 1 in 'arm.yaml' and 2 in env.action",
        ),
    ],
)
def test_what_is_told_wrongly_is_refused_in_one_line(tmp_path, told, said):
    with pytest.raises(InputError, match=said) as caught:
        read(write_arm(tmp_path / "a", PERCENT), told=told)
    assert "\n" not in str(caught.value)


def test_percent_that_is_told_of_degrees_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"told to be in %, but .* are in deg|told to lie within -100 and 100"):
        read(write_arm(tmp_path / "a", DEGREES), told=tell({"name": NAMES[0], "unit": "%"}))


def test_limits_at_100_may_be_degrees(tmp_path):
    told = tell(*({"name": name, "unit": "deg", "low": -100, "high": 100} for name in NAMES[:5]))
    assert units(write_arm(tmp_path / "a", PERCENT), told=told)[:5] == ("deg",) * 5


def test_what_a_recorder_wrote_is_not_told_otherwise(tmp_path):
    root = write_reach(tmp_path / "reach")
    assert read(root, told=tell({"name": "x", "tolerance": 0.2}))[0].action.dimensions[0].tolerance == 0.2
    with pytest.raises(InputError, match="has unit m, its recorder wrote cm"):
        read(root, told=tell({"name": "x", "unit": "m"}))
    with pytest.raises(InputError, match=r"control_mode differs: absolute in 'arm.yaml', delta in"):
        read(root, told=tell({"name": "x"}, control_mode="absolute"))
    assert read(root)[0].action == SPEC


def test_datasets_are_joined_by_the_names_of_their_numbers(tmp_path):
    """The columns of another order were mixed in silence."""
    order = [5, 3, 1, 0, 2, 4]
    first = write_arm(tmp_path / "a", PERCENT)
    other = write_arm(tmp_path / "b", PERCENT[::-1][:, order].copy(), names=[NAMES[i] for i in order])
    recorded, table = read(first, other)
    assert recorded.action.names == NAMES
    np.testing.assert_array_equal(table.features["action"].numpy(), np.concatenate([PERCENT, PERCENT[::-1]]))
    states = table.features["observation.state"].numpy()
    np.testing.assert_array_equal(states[len(PERCENT) + 1 :], PERCENT[::-1][:-1])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"names": [*NAMES[:5], "claw.pos"]},
            "have other names: gripper.pos only in .*a'; claw.pos only in",
        ),
        ({"fps": 15}, "has 30 actions a second, '.*b' 15: train on them one by one"),
        ({"actions": DEGREES}, r"action 'shoulder_pan.pos' is in % \(.*\) in '.*a' and in deg \(.*\) in '.*b'"),
        ({"actions": EITHER}, r"'shoulder_pan.pos' is in % \(.*\) in '.*a' and in an unknown unit in '.*b'"),
    ],
)
def test_datasets_that_mean_something_else_are_refused_by_name(tmp_path, change, said):
    first = write_arm(tmp_path / "a", PERCENT)
    other = write_arm(tmp_path / "b", **{"actions": PERCENT, **change})
    for roots in ((first, other), (other, first)):
        with pytest.raises(InputError) as caught:
            read(*roots)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=said):
        read(first, other)


def test_the_tolerance_of_joined_datasets_does_not_depend_on_their_order(tmp_path):
    """That of the first was kept for all: .00055 or 1.1 for the same data."""
    still = write_arm(tmp_path / "still", 0.001 * EITHER)
    wide = write_arm(tmp_path / "wide", EITHER)
    one, other = (read(*roots)[0].action for roots in ((still, wide), (wide, still)))
    assert one.dimensions == other.dimensions
    assert one.dimensions[0].tolerance == pytest.approx(0.01 * 1.1 * 180, rel=0.01)


def test_tolerances_that_recorders_told_differently_are_refused(tmp_path):
    roots = [write_reach(tmp_path / name) for name in "ab"]
    path = roots[1] / "meta/dist2_robot.json"
    content = json.loads(path.read_text())
    content["action_spec"]["dimensions"][0]["tolerance"] = 0.5
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"'x': its tolerance is 0\.05 in '.*a' and 0\.5 in '.*b'"):
        read(*roots)


def test_a_dataset_that_lacks_a_vector_is_named(tmp_path):
    first = write_strange(
        tmp_path / "a", {"observation.state": swings([1]), "observation.force": swings([1]), "action": swings([1])}
    )
    other = write_strange(tmp_path / "b", {"observation.state": swings([1]), "action": swings([1])})
    for roots in ((first, other), (other, first)):
        with pytest.raises(InputError, match=r"has 'observation.force', .* has not: .*dataset.observations=\["):
            read(*roots)


def test_units_of_the_state_are_those_of_the_action_of_the_same_name(tmp_path):
    root = write_arm(tmp_path / "a", EITHER)
    recorded, _ = read(root, told=tell({"name": NAMES[0], "unit": "deg"}))
    assert [d.unit for d in recorded.observed["observation.state"]] == ["deg"] + ["?"] * 5
    assert recorded.unknown == {"action": list(NAMES[1:]), "observation.state": list(NAMES[1:])}


def test_a_file_is_read_and_what_makes_no_sense_in_it_is_named(tmp_path):
    path = tmp_path / "arm.yaml"
    path.write_text("rate_hz: 30\naction:\n  - {name: a, unit: deg, low: -1, high: 1}\n")
    assert read_spec_file(path).features["action"][0].entries == {"unit": "deg", "low": -1, "high": 1}
    for text, said in {
        "": "is no action spec",
        "action: [{name: a, unitt: deg}]": "unknown entry 'unitt'. Did you mean 'unit'",
        "action: [{unit: deg}]": "entry 0 needs a name",
        "action: [{name: a}, {name: a}]": "names 'a' twice",
        "action: [{name: a, low: 2, high: 1}]": "needs finite low < high",
        "action: [{name: a, kind: hand}]": "kind 'hand' is none of",
        "action: [{name: a, unit: 3}]": "unit must be a text",
        "action: [{name: a, low: .nan}]": "needs finite low < high",
        "action: 3": "must be a list of dimensions",
        "speed: 3": "unknown entry 'speed'",
        "rate_hz: fast\naction: [{name: a}]": "rate_hz must be a positive number",
        "control_mode: sideways\naction: [{name: a}]": "control_mode must be one of",
        "action: [": "cannot be read as an action spec",
        "!!python/object/apply:os.system ['true']": "cannot be read as an action spec",
    }.items():
        path.write_text(text)
        with pytest.raises(InputError, match=said) as caught:
            read_spec_file(path)
        assert "arm.yaml" in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="does not exist: write one"):
        read_spec_file(tmp_path / "none.yaml")


def test_an_angle_that_is_told_to_wrap_does_not_jump(tmp_path):
    angle = (np.linspace(0, 3 * 360, 240) % 360).astype(np.float32)[:, None]
    root = write_strange(tmp_path / "a", {"observation.state": angle, "action": swings([1], 240)}, robot_type=None)
    assert [f.check for f in audit(root).findings if f.check == "jumps"] == ["jumps"]
    told = [told_spec({"observation.state": [{"name": "angle", "low": 0, "high": 360, "wraps": True}]}, "'arm.yaml'")]
    assert [f for f in audit(root, told=told).findings if f.check == "jumps"] == []


def test_movements_are_not_taken_for_absolute_targets_without_a_word(tmp_path):
    state = swings([90, 80, 60, 70, 85, 45])
    root = write_arm(tmp_path / "absolute", state)
    assert [f for f in audit(root).findings if f.check == "control mode"] == []
    told = {"action": NAMES, "observation.state": NAMES}
    columns = {"observation.state": state, "action": np.gradient(state, axis=0).astype(np.float32)}
    root = write_strange(tmp_path / "movements", columns, names=told)
    (finding,) = [f for f in audit(root).findings if f.check == "control mode"]
    assert "may be movements, not absolute targets; tell control_mode" in finding.message
    assert [
        f for f in audit(root, told=tell({"name": NAMES[0]}, control_mode="delta")).findings if "mode" in f.check
    ] == []


def test_only_joints_are_proved_to_be_in_percent(tmp_path):
    """Millimetres of a tool that stop at a limit of 100, and metres beside joints in degrees, were taken for joints."""
    places = swings([100, 100, 40, 1])
    told = {"action": ["x", "y", "z", "yaw"], "observation.state": ["x", "y", "z", "yaw"]}
    root = write_strange(tmp_path / "a", {"observation.state": places, "action": places}, names=told, robot_type="ur5")
    assert units(root) == ("?",) * 4
    state = np.concatenate([DEGREES, 0.002 * places], axis=1)
    names = {"action": NAMES, "observation.state": [*NAMES, "ee.x", "ee.y", "ee.z", "ee.yaw"]}
    recorded, _ = read(write_strange(tmp_path / "b", {"observation.state": state, "action": DEGREES}, names=names))
    assert [d.unit for d in recorded.observed["observation.state"]] == ["deg"] * 5 + ["?"] * 5


def test_one_joint_under_two_names_does_not_count_twice(tmp_path):
    actions = swings([100, 80, 60, 70, 99, 45])
    names = {"action": NAMES, "observation.state": [f"measured_{name}" for name in NAMES]}
    columns = {"observation.state": actions, "action": actions}
    assert units(write_strange(tmp_path / "a", columns, names=names)) == ("?",) * 6


def test_numbers_without_names_can_be_told_in_two_units(tmp_path):
    """What unnamed columns seemed to prove of all of them left no way to tell the gripper's percent."""
    root = write_strange(tmp_path / "a", {"observation.state": DEGREES, "action": DEGREES})
    told = tell(*({"name": name, "unit": "%" if "gripper" in name else "deg"} for name in NAMES))
    assert units(root, told=told) == ("deg",) * 5 + ("%",)


def test_names_that_tell_nothing_and_differ_are_not_joined_by_place(tmp_path):
    roots = []
    for name, broken in (("a", ["p", "q", "q"]), ("b", ["q", "p", "q"])):
        columns = {"observation.state": swings([1, 1, 1]), "action": swings([1, 1, 1])}
        roots.append(edit_info(write_strange(tmp_path / name, columns), "action", names=broken))
    with pytest.raises(InputError, match="do not tell which is which, and differ: name every number once"):
        read(*roots)
    assert read(roots[0], roots[0])[0].action.names == ("action[0]", "action[1]", "action[2]")


def test_numbers_that_32_bits_cannot_tell_apart_are_refused(tmp_path):
    time_s = (1.7e9 + np.linspace(0, 0.1, 60))[:, None]
    root = write_strange(tmp_path / "a", {"observation.state": time_s, "action": swings([1])})
    with pytest.raises(
        InputError, match=r"'observation.state' holds numbers such as 1700000000.0, whose changes 32 bits"
    ):
        read(root)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\naction: [*b, *b]", "line 1: anchors, aliases and tags are not read"),
        ("action: [{name: !!int abc}]", "anchors, aliases and tags"),
        ("action: [{name: a, unit: deg, unit: rad}]", "line 1: 'unit' is there twice"),
        ("action: [{name: a}]\naction: [{name: b}]", "'action' is there twice"),
        (f"action: [{{name: a, low: {'9' * 400}}}]", "a number of 400 letters"),
        (f"action: [{{name: a, low: {'9' * 5000}}}]", "cannot be read as an action spec"),
        ("action: [{name: a, low: true}]", "low must be a number, got True"),
        ("action: [{name: 2024-99-99}]", "cannot be read as an action spec"),
        (f"# {'x' * 2**21}", "it has more than 65536 bytes"),
        ("action: " + "[" * 500 + "]" * 500, "needs a name|cannot be read"),
    ],
)
def test_a_file_that_nobody_would_write_is_one_line(tmp_path, text, said):
    path = tmp_path / "arm.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        read_spec_file(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_units_may_be_spelled_out(tmp_path):
    root = write_arm(tmp_path / "a", EITHER)
    told = tell({"name": NAMES[0], "unit": " Degrees"}, {"name": NAMES[5], "unit": "percent"})
    assert units(root, told=told) == ("deg", *["?"] * 4, "%")


def test_one_number_is_not_told_twice(tmp_path):
    told = tell({"name": "a", "recorded_as": NAMES[0]}, {"name": "b", "recorded_as": NAMES[0]})
    with pytest.raises(InputError, match=f"tells of '{NAMES[0]}' in 'action' twice"):
        read(write_arm(tmp_path / "a", EITHER), told=told)


def test_what_is_proposed_is_told_back_whatever_the_names(tmp_path):
    odd = ["a b", "c: d", "{e}", "'f'", "g#h", "i\u0085j"]
    root = write_arm(tmp_path / "a", PERCENT)
    for feature in ("action", "observation.state"):
        edit_info(root, feature, names=odd)
    recorded, _ = read(root)
    path = tmp_path / "arm.yaml"
    path.write_text(format_spec(recorded.action, recorded.observed, recorded.remarks, "A test."), encoding="utf-8")
    again, _ = read(root, told=[read_spec_file(path)])
    for mine, theirs in zip(recorded.action.dimensions, again.action.dimensions, strict=True):
        assert (mine.name, mine.kind, mine.unit, mine.wraps) == (theirs.name, theirs.kind, theirs.unit, theirs.wraps)
        np.testing.assert_allclose(
            [mine.low, mine.high, mine.tolerance], [theirs.low, theirs.high, theirs.tolerance], 1e-5
        )


def test_several_axes_are_validated(tmp_path):
    """The check of LeRobot's quantiles, which it takes over one axis only, broke off."""
    rng = np.random.default_rng(0)
    columns = {
        "observation.state": rng.normal(size=(60, 2, 3)).astype(np.float32),
        "action": rng.normal(size=(60, 2, 3)).astype(np.float32),
    }
    root = write_strange(tmp_path / "a", columns, robot_type=None)
    assert audit(root).of("error") == []
