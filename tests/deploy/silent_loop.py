"""A control loop in a process of its own, to be killed or suspended: ``python -m tests.deploy.silent_loop FILE``."""

import sys
import time

from dist2_robot.deploy.robot import RobotError
from dist2_robot.deploy.robots.remote_robot import start_robot_host

if __name__ == "__main__":
    options = {"on_disconnect": "hold"}
    robot = start_robot_host(
        [sys.executable, "-m", "tests.deploy.file_robot"], {"path": sys.argv[1], "options": options}
    )
    robot.connect()
    targets = robot.read().positions + 5
    try:
        while True:
            robot.send(targets)
            robot.read()
            print("sent", flush=True)
            time.sleep(0.02)
    except RobotError as error:
        print(error, flush=True)
        robot.close()
