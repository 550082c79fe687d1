"""Options of the robot in `arms`, where LeRobot looks for it by this file's name."""

from dataclasses import dataclass, field

from lerobot.robots import RobotConfig


@RobotConfig.register_subclass("arm_of_tests")
@dataclass(kw_only=True)
class ArmOfTestsConfig(RobotConfig):
    port: str
    use_degrees: bool = True
    disable_torque_on_disconnect: bool = True
    max_relative_target: float | None = None
    tells_units: bool = True
    camera: bool = False
    ranges: dict[str, int] = field(default_factory=lambda: {"pan": 2048, "gripper": 1000})
