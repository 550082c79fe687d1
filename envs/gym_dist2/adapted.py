"""Any registered gymnasium environment, by a mapping of what it tells.

Only packages that are named here, or that announce environments under gymnasium's own entry point group
``gymnasium.envs``, are imported: an id cannot name code to run.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import gymnasium as gym
import numpy as np

# Namespace of an id and package whose import registers it, for those that gymnasium does not find -> our extra with it.
PACKAGES = {"gym_aloha": "aloha", "gym_pusht": "pusht", "lerobot_env_so101": "so101"}

_PARTS = {"state": "agent_pos", "environment_state": "environment_state"}  # our name -> gymnasium's usual one


class Adapted(gym.Env):
    """Another environment, with the names, units and signs of success that dist2_robot needs.

    Paths lead through nested dictionaries of an observation, with dots: ``agent_pos.tcp_pose``. Numbers along several
    paths are put one after the other.

    Args:
        env_id: Of the environment, ``namespace/Name-v0``, or without a namespace for gymnasium's own.
        options: Arguments of its constructor.
        observation: ``state`` and ``environment_state``, each a path or several; ``pixels``, camera -> path; and
            ``names`` and ``units``, of the numbers of ``state`` and of ``environment_state`` where they have some.
            Without ``state``: an observation that is one vector, or its ``agent_pos`` and ``environment_state``.
        action: ``dimensions`` and ``control_mode``, as in an action spec. Without: the limits of the action space, with
            names action_0, ... and no units.
        success: A key of ``info`` that is true, the word ``terminated``, or a number: the least reward of a success.
        task: What it asks for, in words.
        rate_hz: Actions a second; without: the environment's frames a second.
        render_mode: ``rgb_array`` to allow `render`.

    Raises:
        ValueError: No such environment, a path that leads nowhere, or something that the mapping must say is missing.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 gymnasium's convention

    def __init__(
        self,
        env_id: str,
        options: Mapping[str, Any] | None = None,
        observation: Mapping[str, Any] | None = None,
        action: Mapping[str, Any] | None = None,
        success: str | float = "is_success",
        task: str = "",
        rate_hz: float | None = None,
        render_mode: str | None = None,
    ) -> None:
        _import_package(env_id)
        arguments = {**(options or {}), **({"render_mode": render_mode} if render_mode else {})}
        self._env = gym.make(env_id, disable_env_checker=True, **arguments)
        if not (isinstance(self._env.action_space, gym.spaces.Box) and len(self._env.action_space.shape) == 1):
            raise ValueError(f"{env_id}: actions must be vectors, and are {self._env.action_space}")
        self.render_mode, self.task_description, self._success = render_mode, task or env_id, success
        self.action_space = self._env.action_space
        mapping = dict(observation or {})
        names, units = (dict(mapping.pop(entry, None) or {}) for entry in ("names", "units"))
        seen, _ = self._env.reset(seed=0)
        if "state" not in mapping:
            mapping = {**_usual_paths(seen), **mapping}
        if odd := set(mapping) - {*_PARTS, "pixels"}:
            raise ValueError(
                f"observation has state, environment_state, pixels, names and units, not {_list(sorted(odd))}"
            )
        self._paths = {key: _as_list(mapping[key]) for key in _PARTS if mapping.get(key) is not None}
        self._pixels = dict(mapping.get("pixels") or {})
        first = self._observation(seen)
        self._rate_hz = float(rate_hz or self._env.metadata.get("render_fps") or 0)
        if self._rate_hz <= 0:
            raise ValueError(f"{env_id} does not tell how often it acts: pass rate_hz=...")
        self.metadata = {
            **type(self).metadata,
            "render_fps": self._rate_hz,
            "action_spec": _action_spec(self._env.action_space, action, self._rate_hz),
            "observation_names": {
                f"observation.{key}": _names(names, key, len(first[part]))
                for key, part in _PARTS.items()
                if part in first
            },
            "observation_units": {
                f"observation.{key}": _checked("units", units[key], key, len(first[part]))
                for key, part in _PARTS.items()
                if part in first and units.get(key)
            },
        }
        self.observation_space = _space_of(first)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Start the episode of a seed, or of a random one."""
        super().reset(seed=seed)
        observation, _ = self._env.reset(seed=seed, options=options)
        return self._observation(observation), {"is_success": False}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        """Execute one action; ``simulation_error`` tells of numbers that are not finite."""
        seen, reward, terminated, truncated, told = self._env.step(np.asarray(action, self.action_space.dtype))
        is_success = self._is_success(float(reward), terminated, told)
        observation, info = self._observation(seen), {**told, "is_success": is_success}
        if not all(np.isfinite(observation[key]).all() for key in observation if key != "pixels"):
            info = {"is_success": False, "simulation_error": "the observation is not finite"}
            truncated = True
        return observation, float(reward), bool(terminated), bool(truncated), info

    def expert_action(self) -> np.ndarray:
        """Return what the environment's own expert does. Raises AttributeError where it has none."""
        return np.asarray(self._env.get_wrapper_attr("expert_action")(), np.float32)

    def render(self) -> Any:
        """Return a picture for a video."""
        return None if self.render_mode is None else self._env.render()

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def _is_success(self, reward: float, terminated: bool, info: Mapping[str, Any]) -> bool:
        if not isinstance(self._success, str):
            return reward >= self._success
        if self._success == "terminated":
            return bool(terminated)
        if self._success not in info:
            raise ValueError(f"info has no '{self._success}', only {_list(sorted(info)) or 'nothing'}: set success=")
        return bool(info[self._success])

    def _observation(self, seen: Any) -> dict[str, Any]:
        observation: dict[str, Any] = {
            _PARTS[key]: np.concatenate([np.ravel(_follow(seen, path)) for path in paths]).astype(np.float32)
            for key, paths in self._paths.items()
        }
        if self._pixels:
            observation["pixels"] = {camera: np.asarray(_follow(seen, path)) for camera, path in self._pixels.items()}
        return observation


def _import_package(environment_id: str) -> None:
    namespace, slash, _ = environment_id.partition("/")
    if ":" in environment_id:
        raise ValueError(f"environment id '{environment_id}' must read 'namespace/Name-v0', without a colon")
    if not slash:
        return
    if namespace in PACKAGES:
        try:
            import_module(namespace)
        except ModuleNotFoundError as error:
            raise ImportError(how_to_install(namespace)) from error
    for entry in entry_points(group="gymnasium.envs"):
        if entry.name in (namespace, "__root__"):
            entry.load()


def how_to_install(package: str, python: tuple[int, ...] = sys.version_info[:2]) -> str:
    """Say in a line what is missing for an environment of another package, and how to get it.

    Args:
        package: One of `PACKAGES`.
        python: Version of the interpreter, (major, minor).
    """
    if package == "gym_aloha" and python >= (3, 13):
        return "env=aloha needs Python 3.12 (gym-aloha's labmaze has no build for 3.13)"
    return f"the package {package} is not installed; run: pip install 'dist2-robot[{PACKAGES[package]}]'"


def _usual_paths(seen: Any) -> dict[str, str]:
    if not isinstance(seen, Mapping):
        return {"state": ""}
    found = {key: path for key, path in _PARTS.items() if path in seen}
    if "state" not in found:
        raise ValueError(f"which part of an observation is the state? Say observation.state=; there are {_list(seen)}")
    return found


def _follow(seen: Any, path: str) -> Any:
    """Return the part of an observation at the end of a path; all of a dictionary's numbers if it ends at one."""
    for step in path.split(".") if path else ():
        if not isinstance(seen, Mapping) or step not in seen:
            there = _list(seen) if isinstance(seen, Mapping) else "numbers"
            raise ValueError(f"observation has no '{path}': at '{step}' there is {there}")
        seen = seen[step]
    if isinstance(seen, Mapping):
        return np.concatenate([np.ravel(_follow(seen, key)) for key in seen])
    return seen


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def _as_list(paths: str | Sequence[str]) -> list[str]:
    return [paths] if isinstance(paths, str) else list(paths)


def _names(names: Mapping[str, Sequence[str]], part: str, count: int) -> list[str]:
    return _checked("names", names.get(part) or [f"{part}_{i}" for i in range(count)], part, count)


def _checked(what: str, given: Sequence[str], part: str, count: int) -> list[str]:
    if len(given) != count:
        raise ValueError(f"observation.{what}.{part} has {len(given)} {what} for {count} numbers")
    return list(given)


def _action_spec(space: gym.spaces.Box, action: Mapping[str, Any] | None, rate_hz: float) -> dict[str, Any]:
    given = dict(action or {})
    dimensions = given.get("dimensions") or [
        {"name": f"action_{i}", "kind": "joint", "unit": "?", "low": float(low), "high": float(high)}
        for i, (low, high) in enumerate(zip(space.low, space.high, strict=True))
    ]
    if len(dimensions) != len(space.low):
        raise ValueError(f"action.dimensions has {len(dimensions)} entries, an action {len(space.low)} numbers")
    mode = given.get("control_mode", "absolute")
    return {"dimensions": dimensions, "control_mode": mode, "rate_hz": rate_hz, "source": "environment"}


def _space_of(observation: Mapping[str, Any]) -> gym.spaces.Dict:
    spaces: dict[str, gym.Space] = {
        key: gym.spaces.Box(-np.inf, np.inf, value.shape, np.float32)
        for key, value in observation.items()
        if key != "pixels"
    }
    if "pixels" in observation:
        images: dict[str, gym.Space] = {
            c: gym.spaces.Box(0, 255, image.shape, np.uint8) for c, image in observation["pixels"].items()
        }
        spaces["pixels"] = gym.spaces.Dict(images)
    return gym.spaces.Dict(spaces)
