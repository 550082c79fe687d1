"""Whatever is wrong with the input is said in one line that names it and a way out, with exit code 2."""

import shutil
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

from tests.cli.small import SMALL
from tests.data.recordings import DATA_FILE, STARTS, edit, replace_column

SCRIPTS = Path(sysconfig.get_path("scripts"))


def check_one_line(name, code, err):
    """Return the message of a refusal."""
    assert code == 2, err
    assert err.startswith(f"{name}: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err


@pytest.fixture
def refused(command):
    """Return a function that calls a command which must refuse, and gives its message."""

    def call(name, *arguments):
        outcome = command(name, *arguments)
        return check_one_line(name, outcome.code, outcome.err)

    return call


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("dist2-train", ["trainr.steps=5"], ["'trainr.steps'", "Did you mean 'trainer.steps'?", "--help"]),
        ("dist2-train", ["steps=5"], ["'steps'", "Did you mean 'trainer.steps'?"]),
        ("dist2-train", ["+loss=dist2", "loss=dist2", "loss.tua=1"], ["loss"]),
        ("dist2-train", ["loss=dist2", "loss.tau=1", "trainer.step=5"], ["'trainer.step'", "'trainer.steps'?"]),
        ("dist2-train", ["loss=dist2", "loss.tua=1"], ["'loss.tua'", "Did you mean 'loss.tau'?"]),
        ("dist2-train", ["--trainer.steps=5"], ["'--trainer.steps'", "trainer.steps=5"]),
        ("dist2-train", ["--steps", "5"], ["'--steps'", "Did you mean 'trainer.steps'?"]),
        ("dist2-train", ["-x"], ["'-x'"]),
        ("dist2-train", ["trainer.steps", "5"], ["trainer.steps"]),
        ("dist2-train", ["loss=dist3"], ["no loss 'dist3'", "Did you mean 'dist2'?", "cross_entropy"]),
        ("dist2-train", ["tokeniser=uniform"], ["'tokeniser'", "Did you mean 'tokenizer'?"]),
        ("dist2-train", ["env=metawrld"], ["no env 'metawrld'", "Did you mean 'metaworld'?"]),
        ("dist2-collect", [], ["'dataset.root' must be given", "dataset.root=..."]),
        ("dist2-eval", [], ["'checkpoint' must be given"]),
        ("dist2-compare", [], ["'runs' must be given"]),
        ("dist2-report", [], ["give runs=[...]", "deployments=[...]"]),
        ("dist2-train", [], ["no dataset is named", "dataset.root=FOLDER"]),
        ("dist2-train", ["trainer.steps=abc"], ["trainer.steps must be a whole number, got 'abc'"]),
        ("dist2-train", ["trainer.steps=1.5"], ["trainer.steps must be a whole number, got 1.5"]),
        ("dist2-train", ["trainer.learning_rate=fast"], ["trainer.learning_rate must be a number, got 'fast'"]),
        ("dist2-train", ["seed=zero"], ["seed must be a whole number"]),
        ("dist2-train", ["seed=-1"], ["seed must be 0 or more"]),
        ("dist2-train", ["seed=null"], ["seed must be a whole number"]),
        ("dist2-train", ["resume=maybe"], ["resume must be true or false"]),
        ("dist2-train", ["dataset=data/push"], ["dataset must be a group of options"]),
        ("dist2-train", ["output=[a,b]"], ["output must be text"]),
        ("dist2-train", ["policy.width=wide"], ["policy.width must be a whole number"]),
        ("dist2-collect", ["dataset.root=x", "cameras=corner2"], ["cameras must be a [list]"]),
        ("dist2-train", ["device=abacus"], ["device 'abacus'", "device=cpu"]),
        ("dist2-train", ["threads=-1"], ["threads must be at least 1"]),
        ("dist2-eval", ["checkpoint=x", "threads=0"], ["threads must be at least 1"]),
        ("dist2-train", ["dataset.root=no/such/folder"], ["'no/such/folder'", "does not exist", "dataset.root"]),
        ("dist2-train", ["dataset.root=."], ["'.' is not a LeRobot dataset", "info.json"]),
        ("dist2-train", ["dataset.repo_id=nobody/nothing"], ["'nobody/nothing'", "dataset.repo_id"]),
        ("dist2-eval", ["checkpoint=no/such/run"], ["'no/such/run' does not exist", "dist2-train", "checkpoint="]),
        ("dist2-eval", ["checkpoint=."], ["'.' is not a checkpoint", "manifest.json", "dist2-train"]),
        ("dist2-compare", ["runs=[no/such/run]"], ["no/such/run"]),
        ("dist2-report", ["runs=[no/such/run]"], ["no/such/run"]),
        ("dist2-report", ["runs=[]"], ["give runs=[...]"]),
        ("dist2-collect", ["dataset.root=x", "env=none"], ["env=metaworld"]),
        ("dist2-collect", ["dataset.root=x", "episodes=0"], ["episodes must be at least 1"]),
        ("dist2-collect", ["dataset.root=."], ["'.' exists", "overwrite=true"]),
        ("dist2-collect", ["dataset.root=.", "overwrite=true"], ["not a LeRobot dataset", "another folder"]),
    ],
)
def test_a_wrong_command_line(refused, name, arguments, says):
    message = refused(name, *arguments)
    for words in says:
        assert words in message


@pytest.mark.fault("S2")
@pytest.mark.parametrize("where", ["+loss._target_", "+_target_", "+policy.head._target_", "+tokenizer._target_"])
def test_a_config_that_names_code_to_import(refused, reach, where, tmp_path):
    message = refused("dist2-train", f"dataset.root={reach}", f"{where}=os.system", "+loss.command='touch hacked'")
    assert "_target_" in message
    assert "registered name" in message
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["policy.attention_heads=3", "policy.width=8"], "multiple of the number of attention heads"),
        (["policy.attention_heads=0"], "policy 'token'"),
        (["policy.horizon=0"], "at least 1 step"),
        (["tokenizer.bins=1"], "at least 2 bins"),
        (["loss=dist2", "loss.tau=0"], "tau must be positive"),
        (["distance.unit=miles"], "miles"),
        (["loss=energy", "loss.distance.name=squared"], "absolute"),
        (["decoding=argmx"], "Did you mean 'argmax'?"),
        (["dataset.episodes=9"], "holds 8"),
        (["dataset.episodes=all"], "dataset.episodes"),
        (["dataset.validation=1.0"], "dataset.validation"),
        (["dataset.observations=[observation.stat]"], "observation.stat"),
        (["trainer.batch_size=0"], "trainer.batch_size must be positive"),
        (["trainer.evaluate_every=10", "env=none"], "env=..."),
        (["env=metaworld"], "task="),
        (["env=none", "env.id=os:system"], "without a colon"),
        (["env=none", "env.id=gym_dist2/MetWorld-v0"], "Did you mean 'gym_dist2/MetaWorld-v0'?"),
    ],
)
def test_a_setting_that_makes_no_sense_leaves_no_folder(refused, reach, arguments, says, tmp_path):
    message = refused("dist2-train", f"dataset.root={reach}", "output=run", *arguments)
    assert says in message
    assert not (tmp_path / "run").exists()


@pytest.mark.fault("S9")
@pytest.mark.parametrize("place", ["someone/their_policy", "hf://someone/their_policy", "https://host/run"])
def test_a_checkpoint_is_never_fetched(refused, place, monkeypatch):
    def connect(*_):
        raise AssertionError("there was a call for the network")

    monkeypatch.setattr(socket.socket, "connect", connect)
    message = refused("dist2-eval", f"checkpoint={place}")
    assert "does not exist" in message
    assert "only local folders are read" in message


@pytest.mark.fault("R9")
def test_a_number_that_is_not_finite(refused, reach, tmp_path):
    root = shutil.copytree(reach, tmp_path / "broken")

    def damage(table):
        values = table["action"].to_pylist()
        values[STARTS[5] + 3][0] = np.nan
        return replace_column(table, "action", values)

    edit(root, damage)
    message = refused("dist2-train", f"dataset.root={root}", "output=run")
    assert f"'{root / DATA_FILE}': episode 5, frame 3: 'action' dimension 'x' is nan" in message
    assert not (tmp_path / "run").exists()


def test_an_output_that_is_there(refused, command, reach, tmp_path):
    assert command("dist2-train", f"dataset.root={reach}", "output=run", *SMALL).code == 0
    before = (tmp_path / "run" / "metrics.jsonl").read_text()
    message = refused("dist2-train", f"dataset.root={reach}", "output=run", *SMALL)
    assert "'run' holds a run: pass resume=true" in message
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == before
    message = refused("dist2-eval", "checkpoint=run", "ensemble=0.1")
    assert "ensemble= is of a simulation" in message
    assert "env=..." in message
    message = refused("dist2-eval", "checkpoint=run", "decoding=agmax")
    assert "Did you mean 'argmax'?" in message
    assert "dist2-eval" in refused("dist2-compare", "runs=[run]", "evaluation=median")


def test_an_output_that_cannot_be_written_is_a_failure(command, reach, tmp_path):
    (tmp_path / "file").write_text("")
    outcome = command("dist2-train", f"dataset.root={reach}", "output=file/run", *SMALL)
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "file/run" in outcome.err


class TestOfMetaWorld:
    """With the real environment."""

    @pytest.fixture(autouse=True)
    def _needs_metaworld(self):
        pytest.importorskip("metaworld")

    def test_a_task_that_is_not_there(self, refused, reach):
        for arguments in (["dist2-train", f"dataset.root={reach}"], ["dist2-collect", "dataset.root=new"]):
            message = refused(*arguments, "env=metaworld", "task=psh-v3")
            assert "no task 'psh-v3'" in message
            assert "push-v3" in message

    def test_data_of_another_robot(self, refused, teleoperated):
        message = refused("dist2-train", f"dataset.root={teleoperated}", "env=metaworld", "task=push-v3")
        assert f"dataset '{teleoperated}' does not fit gym_dist2/MetaWorld-v0(task=push-v3)" in message
        assert "shoulder_pan.pos" in message
        assert "env=none" in message


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("dist2-train", ["dataset.root=no/such/folder"]),
        ("dist2-compare", ["rnus=[x]"]),
        ("dist2-collect", ["env=metaworld"]),
    ],
)
def test_the_installed_command_says_the_same(name, arguments, command, tmp_path):
    result = subprocess.run([SCRIPTS / name, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    message = check_one_line(name, result.returncode, result.stderr)
    assert message == command(name, *arguments).err
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_module_run_as_a_script_is_the_command(tmp_path):
    command = [sys.executable, "-m", "dist2_robot.cli.report", "runs=[nothing]"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    check_one_line("dist2-report", result.returncode, result.stderr)
