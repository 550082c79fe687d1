"""dist2-deploy: a checkpoint on a robot."""

import contextlib
import gc
import signal
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dist2_robot.actions.spec_file import read_spec_file
from dist2_robot.checkpoints.hub import fetch_checkpoint
from dist2_robot.checkpoints.manifest import read_manifest
from dist2_robot.checkpoints.store import find_checkpoint
from dist2_robot.cli.app import run_command
from dist2_robot.cli.closed_pipe import patient_output
from dist2_robot.cli.deploy_run import POLICY_LOST, ROBOT_LOST, DeployRun
from dist2_robot.cli.environments import drawn_size
from dist2_robot.cli.robot_host import COMMAND
from dist2_robot.deploy.forms.exported_folder import EXPORT_FILE
from dist2_robot.deploy.inference import PolicyCard
from dist2_robot.deploy.link import LinkError, PolicyLink
from dist2_robot.deploy.loop.fitness import differences
from dist2_robot.deploy.loop.log_format import header
from dist2_robot.deploy.loop.log_writer import LogWriter
from dist2_robot.deploy.loop.run_log import LOG_FILE, replay
from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.deploy.robot import RobotDescription, RobotError
from dist2_robot.deploy.robots.remote_robot import RemoteRobot, start_robot_host
from dist2_robot.deploy.robots.robot_host import SILENCE_S
from dist2_robot.deploy.serving.access import read_token
from dist2_robot.deploy.serving.policy_process import PolicyProcess
from dist2_robot.deploy.serving.socket_link import SocketLink
from dist2_robot.deploy.told_link import ToldLink
from dist2_robot.errors import InputError, first_line
from dist2_robot.json_file import write_json

ABOUT = """
Run a checkpoint on a robot: simulated, or any robot of LeRobot.

  dist2-deploy checkpoint=runs/pick duration_s=60
  dist2-deploy checkpoint=runs/pick robot=so101_follower robot.options.port=/dev/ttyACM0 mode=dry_run

Three processes: one owns the robot and stops it when the others die, one computes the policy, and this one keeps the
time and the limits. Space or Ctrl-C stops the robot within 0.2 s. Software limits are no safety function: a real robot
needs its emergency stop, within reach.
"""

SIMULATED_SILENCE_S = 0.5  # of the loop, before the robot's process stops it: nobody is hurt on a busy machine
# A real robot is stopped for good by these; its process does not hear them.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def deploy(config: dict[str, Any]) -> int:
    """Policy, robot, fitness, loop, results."""
    if config["mode"] == "replay":
        return _replay(config["log"])
    with patient_output():  # a held arm must not fall because nobody reads what is printed
        return _deploy(config)


def _deploy(config: dict[str, Any]) -> int:
    settings = _settings(config)
    folder = _policy_folder(config)
    output = Path(config["output"] or _run_of(folder) / "deploy")
    try:
        with contextlib.ExitStack() as opened:
            link = _open_policy(config["policy"], folder)
            opened.callback(link.close)
            link = ToldLink(link, read_spec_file(Path(str(config["spec"])))) if config["spec"] else link
            robot = _open_robot(config, folder, link.card)
            opened.callback(robot.close)
            _check_fits(link.card, robot.description, settings)
            about = {"command": sys.argv[1:], "started": datetime.now(UTC).isoformat(timespec="seconds")}
            log = LogWriter(output / LOG_FILE, header(robot.description, link.card, settings, about))
            opened.callback(log.close)
            with _calm():
                run = DeployRun(robot, link, settings, log, config)
                for number in SIGNALS:
                    signal.signal(number, lambda code, _: run.stop(signal.Signals(code).name))
                results = run.run()
            log.close()
            results |= {"checkpoint": str(folder), "robot": robot.description.name, "mode": settings.mode}
            results |= {"log_lines_dropped": log.dropped, "log_error": log.error}
            write_json(output / "results.json", results)  # before the processes are closed, which may take a while
            _tell(results, output)
    except (RobotError, LinkError) as error:
        raise OSError(first_line(error)) from error
    _tell_loss(results)
    return int(results["exit_code"])


def _settings(config: Mapping[str, Any]) -> ControlSettings:
    shared = ("mode", "task", "rate_hz", "n_action_steps", "start", "slow_when_unsure", "stop_when_unsure")
    return ControlSettings(**{name: config[name] for name in shared}, **config["control"])


def _policy_folder(config: Mapping[str, Any]) -> Path:
    """Return the checkpoint's folder, or that of an export."""
    if config["checkpoint"] is None:
        raise InputError("'checkpoint' must be given, e.g. checkpoint=runs/pick; see --help")
    folder = fetch_checkpoint(config["checkpoint"])
    return folder if (folder / EXPORT_FILE).exists() else find_checkpoint(folder)


def _open_robot(config: Mapping[str, Any], folder: Path, card: PolicyCard) -> RemoteRobot:
    """Return the robot of the ``robot`` group, in a process of its own."""
    robot = dict(config["robot"])
    if robot["kind"] == "simulated":
        robot = _simulated(robot, folder, card, config["seed"])
    print(f"opening the robot ({robot.get('type') or robot.get('environment')}) ...", flush=True)
    silence_s = SIMULATED_SILENCE_S if robot["kind"] == "simulated" else SILENCE_S
    return start_robot_host(COMMAND, robot, silence_s=silence_s)


def _simulated(robot: Mapping[str, Any], folder: Path, card: PolicyCard, seed: int) -> dict[str, Any]:
    """Return what the robot's process is told of a simulated robot, with what the checkpoint says of its world."""
    told = [] if (folder / EXPORT_FILE).exists() else read_manifest(folder).environments
    trained = told[0] if told else {"id": None, "kwargs": {}}
    environment = f"gym_dist2/{robot['task']}-v0" if robot["task"] else trained["id"]
    if environment is None:
        raise InputError(f"'{folder}' does not tell what simulation it was trained for: say robot.task=PickPlace")
    pictures = card.observation.pictures
    kwargs = {"control": "joint", **trained["kwargs"], **robot["kwargs"]}
    if robot["use_degrees"] is not None:
        kwargs["use_degrees"] = robot["use_degrees"]
    if pictures:
        kwargs["cameras"] = [name.rpartition(".")[2] for name in pictures]
        kwargs["image_size"] = drawn_size(card.observation)
    return {
        "kind": "simulated",
        "environment": environment,
        "kwargs": kwargs,
        "seed": seed,
        "velocity": dict(robot["velocity"]),
    }


def _open_policy(policy: Mapping[str, Any], folder: Path) -> PolicyLink:
    """Return the link to a policy: of a server, or of a process of our own."""
    if policy["address"]:
        return SocketLink(policy["address"], read_token(policy["token_file"]), policy["ca"])
    print(f"loading the policy '{folder}' ({policy['form']}) ...", flush=True)
    return PolicyProcess(folder, policy["form"], policy["device"], threads=policy["threads"])


def _check_fits(card: PolicyCard, robot: RobotDescription, settings: ControlSettings) -> None:
    found = differences(card, robot, settings)
    if found:
        raise InputError(f"the policy does not fit {robot.name}: {'; '.join(found)}")


@contextlib.contextmanager
def _calm() -> Iterator[None]:
    """Keep Python from pausing or dawdling while a robot moves."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-4)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
        sys.setswitchinterval(before)


def _replay(log: str | None) -> int:
    if log is None:
        raise InputError("mode=replay needs log=..., the output folder of a run")
    result = replay(Path(log))
    if result.difference:
        print(f"{result.ticks} ticks are the same, then {result.difference}")
        return 1
    print(f"{result.ticks} ticks were decided anew, all the same to the bit")
    return 0


def _tell(results: Mapping[str, Any], output: Path) -> None:
    time = results["time"]
    if time["ticks"]:
        answer = time["answer_s"]
        print(f"{time['ticks']} ticks in {time['seconds']:.1f} s, {time['commands_sent']} commands sent")
        drift_ms, overruns = 1000 * time["drift_s"], 100 * time["overruns"]
        rate_hz = "unknown" if time["rate_hz"] is None else f"{time['rate_hz']:.3f} Hz"  # one tick has none
        print(f"rate {rate_hz}, drift {drift_ms:.2f} ms, overruns {overruns:.3f} %")
        if answer:
            print(f"answers of the policy: median {1000 * answer['median']:.0f} ms, p99 {1000 * answer['p99']:.0f} ms")
    if results["episodes"]:
        low, high = results["success_interval"]
        rate = results["success_rate"]
        print(f"success {100 * rate:.0f} % [{100 * low:.0f}, {100 * high:.0f}] of {len(results['episodes'])} episodes")
    if results["log_lines_dropped"]:
        print(f"{results['log_lines_dropped']} lines are not in the log: {results['log_error']}")
    print(f"stopped: {results['reason']}")
    print(f"results: {output / 'results.json'}; dist2-report deployments=[{output}] draws a page")


def _tell_loss(results: Mapping[str, Any]) -> None:
    """Say in one line, the last one, what was lost."""
    if results["exit_code"] == ROBOT_LOST:
        print(f"dist2-deploy: lost the robot, look at it before it is armed: {results['robot_fault']}", file=sys.stderr)
    if results["exit_code"] == POLICY_LOST:
        print(f"dist2-deploy: lost the policy: {results['policy_fault']}", file=sys.stderr)


def _run_of(folder: Path) -> Path:
    return folder.parents[1] if folder.resolve().parent.name == "checkpoints" else folder


def main() -> None:
    run_command("dist2-deploy", "deploy", ABOUT, deploy)


if __name__ == "__main__":
    main()
