"""``--robot.type=so101_sim``: the simulated SO-101 among LeRobot's robots."""

from dataclasses import dataclass, field

from lerobot.robots import RobotConfig


@RobotConfig.register_subclass("so101_sim")
@dataclass(kw_only=True)
class SO101SimConfig(RobotConfig):
    """Options of `so101_sim.SO101Sim`.

    Attributes:
        task: What is on the table: Reach, Push, Lift, PickPlace, OpenDrawer, ReachAround or SortTwo.
        camera_names: Cameras: front, wrist.
        image_size: Height and width of their pictures.
        visuals: ``light`` draws boxes, ``full`` meshes, many times slower.
        use_poses: Whether the places of hand and things are observed too.
        real_time: Whether time passes by itself; else by one period at each action.
        fps: Actions a second, without real time.
        seed: Of the world of the first connection; each later one has the next seed.
        perturb: Kind -> severity from 0 to 1, e.g. pushes.
        use_degrees: As of ``so101_follower``: whether joints are told in degrees; else -100 to 100, in percent of their
            range.
    """

    task: str = "PickPlace"
    camera_names: list[str] = field(default_factory=list)
    image_size: int = 96
    visuals: str = "light"
    use_poses: bool = True
    real_time: bool = True
    fps: float = 20.0
    seed: int = 0
    perturb: dict[str, float] = field(default_factory=dict)
    use_degrees: bool = True
