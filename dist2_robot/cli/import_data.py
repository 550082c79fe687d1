"""dist2-import: other people's recordings to a dataset."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dist2_robot.cli.app import run_command
from dist2_robot.cli.folder_lock import locked_name
from dist2_robot.data.importing.import_dataset import Imported, ImportOptions, import_dataset
from dist2_robot.errors import InputError
from dist2_robot.progress import progress_bar

ABOUT = """
Make a LeRobot v3 dataset of other people's recordings: LeRobot v2.0, v2.1 and v3 under other names, zarr replay buffers
of Diffusion Policy, HDF5 of robomimic, ALOHA, Minari and D4RL, .npz, and RLDS (folders of TFDS, such as those of Open
X-Embodiment). The source stays as it is; videos are copied, never encoded again. What came in, what was left out and
what was assumed is printed at the end.

  dist2-import source=their_v21_dataset dataset.root=data/theirs
  dist2-import source=pusht.zarr.zip rate_hz=10 'task="Push the T."' 'names={action: [x, y]}' dataset.root=data/pusht
  dist2-import source=door.npz 'rename={act: action, obs: observation.state}' rate_hz=100 dataset.root=data/door
  dist2-import source=low_dim.hdf5 rate_hz=20 dataset.root=data/can \\
    'join={observation.state: [robot0_eef_pos, robot0_eef_quat]}'
  dist2-import source=fractal/0.1.0 rate_hz=3 dataset.root=data/fractal \\
    'join={action: [world_vector, rotation_delta, gripper_closedness_action]}'
"""
SHOWN = 20  # lines of what was left out


def import_data(config: dict[str, Any]) -> int:
    """Source, dataset, summary."""
    options = ImportOptions(
        format=str(config["format"]),
        rate_hz=config["rate_hz"],
        task=_text(config, "task"),
        robot_type=_text(config, "robot_type"),
        rename={key: str(value) for key, value in _mapping(config, "rename").items()},
        join={key: _list(value, f"join of '{key}'") for key, value in _mapping(config, "join").items()},
        names={key: _list(value, f"names of '{key}'") for key, value in _mapping(config, "names").items()},
        video=config["video"],
        strict=config["strict"],
    )
    root = Path(str(config["dataset"]["root"]))
    with locked_name(root, "dataset.root"):
        imported = import_dataset(
            Path(str(config["source"])),
            root,
            options,
            overwrite=config["overwrite"],
            watch=lambda names: progress_bar(names, desc="import", unit="episode"),
        )
    print(format_summary(imported, root))
    return 0


def format_summary(imported: Imported, root: Path) -> str:
    """Return what came in, what was left out, what was assumed, and what to type next."""
    lines = [
        f"{root}: {imported.episodes} episodes, {imported.frames} frames at {imported.rate_hz:g} Hz "
        f"({imported.frames / max(1, imported.episodes) / imported.rate_hz:.3g} s an episode), "
        f"from {imported.format}"
    ]
    width = max(len(name) for name in imported.features)
    for name, feature in imported.features.items():
        names = list(feature.names) if len(feature.names) < 4 else [*feature.names[:2], "...", feature.names[-1]]
        what = ", ".join(names) or feature.stored
        lines.append(f"  {name:<{width}}  {feature.shape}  {what}  <- {', '.join(feature.columns)}")
    for title, entries in (("left out", imported.left_out), ("assumed", imported.assumed)):
        if entries:
            lines += [f"{title}:", *(f"  {_printable(entry)}" for entry in entries[:SHOWN])]
            lines += [f"  and {len(entries) - SHOWN} more"] if len(entries) > SHOWN else []
    return "\n".join(
        [*(_printable(line) for line in lines), f"next: dist2-validate {shlex.quote(f'dataset.root={root}')}"]
    )


def _printable(line: str) -> str:
    """Return a line without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in line)


def _text(config: Mapping[str, Any], key: str) -> str | None:
    value = config[key]
    if value is not None and not isinstance(value, str | int | float):
        raise InputError(f"{key} must be text, got {value!r}")
    return None if value is None else str(value)


def _mapping(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = config[key]
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"{key} must be a mapping, e.g. '{key}={{...: ...}}', got {value!r}")
    return {str(name): entry for name, entry in value.items()}


def _list(value: Any, what: str) -> list[str]:
    if not isinstance(value, list) or not value:
        raise InputError(f"the {what} must be a [list], got {value!r}")
    return [str(entry) for entry in value]


def main() -> None:
    run_command("dist2-import", "import", ABOUT, import_data)


if __name__ == "__main__":
    main()
