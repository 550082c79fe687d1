"""Imports point one way, and `import dist2_robot` is cheap."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A room may import itself and the levels above its own in this table, so rooms on one level do not import each other.
LEVELS = [
    {"printable"},
    {"types", "errors", "seeding", "progress", "pictures", "files", "finite", "config_dir"},
    {"json_file", "yaml_file", "weights"},
    {"actions"},
    {"distances"},
    {"models", "losses", "tokenizers", "data"},
    {"policies"},
    {"rollouts", "checkpoints", "tracking"},
    {"demonstrations", "training", "evaluation", "deploy"},
    {"studies"},
    {"claims"},
    {"lerobot"},
    {"cli"},
]
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

# Packages that only these rooms may import.
RESERVED = {"lerobot": {"data", "lerobot"}, "hydra": {"cli"}, "omegaconf": {"cli"}}
NEVER = {"scripts", "tests"}
PACKAGES = {"dist2_robot": ROOT, "gym_dist2": ROOT / "envs"}


def imported(source: str, module: str, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """Yield line number and absolute dotted name of each import in a module, wherever it stands."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, node.module] if node.module else base
            yield from ((node.lineno, ".".join([*base, alias.name])) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"import_module", "__import__"}:
            yield from ((node.lineno, str(name.value)) for name in node.args[:1] if isinstance(name, ast.Constant))


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """Return one line for each import of a module that the layer rules forbid."""
    home, room = [*module.split("."), ""][:2]
    found = []
    for line, name in imported(source, module, is_package):
        top, target = [*name.split("."), ""][:2]
        if top in NEVER:
            reason = "is never imported"
        elif top in PACKAGES and top != home:
            reason = f"and {home} do not know each other"
        elif home == "dist2_robot" and top in RESERVED and room not in RESERVED[top]:
            reason = f"is for {', '.join(sorted(RESERVED[top]))} only"
        elif home == "dist2_robot" == top and target not in {room, "", "__version__"}:
            if target not in LEVEL_OF:
                reason = "is no room: import a name from the module that defines it"
            elif LEVEL_OF[target] >= LEVEL_OF.get(room, -1):
                reason = f"is not below {room}"
            else:
                continue
        else:
            continue
        found.append(f"{module}:{line}: {name} {reason}")
    return found


def modules() -> Iterator[tuple[Path, str]]:
    """Yield path and dotted name of each module of our packages."""
    for package, folder in PACKAGES.items():
        for path in sorted((folder / package).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_imports_point_one_way() -> None:
    found = [
        line
        for path, module in modules()
        for line in violations(path.read_text(encoding="utf-8"), module, path.name == "__init__.py")
    ]
    assert not found, "\n".join(found)


def test_every_room_has_a_level() -> None:
    rooms = {module.split(".")[1] for _, module in modules() if module.startswith("dist2_robot.")}
    assert rooms, "no modules were found"
    assert rooms <= LEVEL_OF.keys(), f"give {rooms - LEVEL_OF.keys()} a place in LEVELS"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dist2_robot.distances.squared", "from dist2_robot.losses.dist2 import Dist2Loss"),
        ("dist2_robot.losses.dist2", "import dist2_robot.tokenizers.uniform"),
        ("dist2_robot.losses.dist2", "from ..tokenizers import uniform"),
        ("dist2_robot.losses.dist2", "def late():\n    from dist2_robot import policies"),
        ("dist2_robot.losses.dist2", "import_module('dist2_robot.training.loop')"),
        ("dist2_robot.types", "from dist2_robot.seeding import stream_seed"),
        ("dist2_robot", "import dist2_robot.types"),
        ("dist2_robot.cli.train", "from dist2_robot import TokenPolicy"),
        ("dist2_robot.policies.token_policy", "import lerobot.policies"),
        ("dist2_robot.training.loop", "from omegaconf import DictConfig"),
        ("dist2_robot.rollouts.rollout", "import gym_dist2"),
        ("dist2_robot.cli.train", "from scripts.train import main"),
        ("dist2_robot.data.episode", "from tests import conftest"),
        ("gym_dist2.pick_place", "from dist2_robot.actions.spec import ActionSpec"),
    ],
)
def test_a_wrong_import_is_found(module: str, source: str) -> None:
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dist2_robot.losses.dist2", "from dist2_robot.distances.squared import squared\nfrom . import energy"),
        ("dist2_robot.cli.train", "import hydra\nfrom dist2_robot import __version__\nfrom dist2_robot import losses"),
        ("dist2_robot.data.open", "from lerobot.datasets import LeRobotDataset"),
        ("gym_dist2.pick_place", "import numpy\nfrom gym_dist2.physics import step\nfrom .expert import act"),
    ],
)
def test_a_right_import_passes(module: str, source: str) -> None:
    assert violations(source, module) == []


def test_importing_the_package_is_cheap() -> None:
    code = (
        "import sys, json, time; begin = time.perf_counter(); import dist2_robot;"
        "print(json.dumps([time.perf_counter() - begin, list(sys.modules)]))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, loaded = json.loads(result.stdout)
    print(f"import dist2_robot: {seconds:.3f} s")
    assert not {"torch", "lerobot", "hydra", "wandb", "mujoco"} & set(loaded)
