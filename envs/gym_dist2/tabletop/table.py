"""A table in MuJoCo with a pool of things that a reset gives shape, colour and place, and a camera in front of it."""

from collections.abc import Sequence

import numpy as np

from gym_dist2.pictures import Painter, import_mujoco
from gym_dist2.tabletop.things import SIZES_M, Thing

CAMERA = "front"
CAMERA_PLACE_M = (0.0, -0.62, 0.8)
LOOKS_AT_M = (0.0, -0.01, 0.0)
VIEW_DEG = 31.0
POOL = 8
_AWAY = (0.0, 0.0, -5.0)
_RING = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 48, endpoint=False)), np.sin(a)], axis=1)  # (48, 2)


class Table:
    """The scene and its camera; x of a picture to the right, y down, both as shares of its size."""

    def __init__(self, render_size: int) -> None:
        """Args: render_size: The largest picture that will be asked for, in pixels."""
        self._mujoco = import_mujoco(pictures=True)
        self._model = self._mujoco.MjModel.from_xml_string(_scene(render_size))
        self._data = self._mujoco.MjData(self._model)
        self._painter = Painter(self._mujoco, self._model)
        self._things: list[Thing] = []

    @property
    def shapes(self) -> dict[str, int]:
        """Shape -> MuJoCo's number of it."""
        geom = self._mujoco.mjtGeom
        return {
            "cube": geom.mjGEOM_BOX,
            "ball": geom.mjGEOM_SPHERE,
            "can": geom.mjGEOM_CYLINDER,
            "plate": geom.mjGEOM_CYLINDER,
            "egg": geom.mjGEOM_ELLIPSOID,
            "capsule": geom.mjGEOM_CAPSULE,
        }

    def lay(self, things: Sequence[Thing]) -> None:
        """Put things on the table, in place of those that were there."""
        model, data, shapes = self._model, self._data, self.shapes
        self._things = list(things)
        data.mocap_pos[:] = _AWAY
        for i, thing in enumerate(things):
            geom = 1 + i  # the table is the first
            model.geom_type[geom] = shapes[thing.shape]
            model.geom_size[geom] = _geom_size(thing)
            model.geom_rgba[geom] = [*thing.rgb, 1.0]
            data.mocap_pos[i] = [*thing.place, thing.half_height_m]
            data.mocap_quat[i] = [np.cos(thing.yaw_rad / 2), 0.0, 0.0, np.sin(thing.yaw_rad / 2)]
        self._mujoco.mj_forward(model, data)

    def draw(self, size: int | Sequence[int]) -> np.ndarray:
        """Return a picture (height, width, 3), uint8; of one number for a size, a square."""
        return self._painter.draw(self._data, CAMERA, size)

    def box(self, number: int) -> np.ndarray:
        """Return left, top, right and bottom of a thing in the picture, whatever hides it, (4,) as shares."""
        seen = self.project(_surface(self._things[number]))
        return np.concatenate([seen.min(axis=0), seen.max(axis=0)])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return where points (N, 3) on the table are in the picture, (N, 2), as shares."""
        camera = self._data.camera(CAMERA)
        local = (points - camera.xpos) @ camera.xmat.reshape(3, 3)  # x right, y up, looking along -z
        half = np.tan(np.radians(VIEW_DEG) / 2)
        return 0.5 + 0.5 * local[:, :2] / -local[:, 2:] / half * [1, -1]

    def close(self) -> None:
        """Free the drawing contexts."""
        self._painter.close()


def _geom_size(thing: Thing) -> list[float]:
    size = thing.size_m
    return {
        "cube": [size] * 3,
        "ball": [size] * 3,
        "can": [size * 0.8, size, 0.0],
        "plate": [thing.radius_m, thing.half_height_m, 0.0],
        "egg": [size * 1.3, size * 0.7, size],
        "capsule": [size * 0.6, size * 0.4, 0.0],
    }[thing.shape]


def _surface(thing: Thing) -> np.ndarray:
    """Return points (N, 3) on a thing, whose outermost ones bound it in any picture."""
    a, b, c = _geom_size(thing)
    if thing.shape == "cube":
        corners = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3) * [a, b, c]
    elif thing.shape in ("can", "plate"):
        corners = np.concatenate([np.column_stack([a * _RING, np.full(len(_RING), z)]) for z in (-b, b)])
    else:
        heights = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 33))
        ball = np.concatenate([np.column_stack([np.sqrt(1 - z * z) * _RING, np.full(len(_RING), z)]) for z in heights])
        corners = a * ball + np.sign(ball[:, 2:]) * [0, 0, b] if thing.shape == "capsule" else ball * [a, b, c]
    cos, sin = np.cos(thing.yaw_rad), np.sin(thing.yaw_rad)
    turned = corners @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return turned + np.array([*thing.place, thing.half_height_m])


def _scene(picture_size: int) -> str:
    """Return the MJCF of the table, the camera and the pool of things."""
    back = np.subtract(CAMERA_PLACE_M, LOOKS_AT_M) / np.linalg.norm(np.subtract(CAMERA_PLACE_M, LOOKS_AT_M))
    up = np.cross(back, [1.0, 0.0, 0.0])
    pool = f"""
    <body mocap="true" pos="0 0 -5"><geom type="box" size="{SIZES_M[0]} {SIZES_M[0]} {SIZES_M[0]}"/></body>"""
    return f"""
<mujoco>
  <visual>
    <global offwidth="{picture_size}" offheight="{picture_size}"/>
    <headlight ambient="0.5 0.5 0.5" diffuse="0.35 0.35 0.35" specular="0.1 0.1 0.1"/>
  </visual>
  <default><geom contype="0" conaffinity="0"/></default>
  <worldbody>
    <light pos="-0.4 -0.2 1.2" dir="0.3 0.15 -1" diffuse="0.4 0.4 0.4"/>
    <camera name="{CAMERA}" pos="{" ".join(map(str, CAMERA_PLACE_M))}" xyaxes="1 0 0 {up[0]} {up[1]} {up[2]}"
      fovy="{VIEW_DEG}"/>
    <geom type="plane" size="2 2 1" rgba="0.55 0.5 0.45 1"/>{pool * POOL}
  </worldbody>
</mujoco>"""
