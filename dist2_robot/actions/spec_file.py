"""What somebody tells of the numbers of a recording: a YAML file, one line for each number of an action or a state.

::

    rate_hz: 30
    control_mode: absolute
    action:
      - {name: shoulder_pan.pos, kind: joint, unit: deg, low: -110, high: 110, tolerance: 1}
      - {name: gripper.pos, kind: gripper, unit: "%", low: 0, high: 100}
    observation.state:
      - {name: shoulder_pan.pos, unit: deg}

Only ``name`` must be there; what is left out comes from the recording.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.actions.told_spec import ENTRIES, ToldSpec, told_spec
from dist2_robot.errors import InputError
from dist2_robot.files import read_bytes
from dist2_robot.yaml_file import MAX_BYTES, parse_yaml


def read_spec_file(path: Path) -> ToldSpec:
    """Read such a file. Raises InputError, naming the file and the entry, where it is none."""
    try:
        content = parse_yaml(read_bytes(path, MAX_BYTES))
    except FileNotFoundError:
        raise InputError(
            f"'{path}', which shall tell units, does not exist: write one with dist2-validate write_spec="
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"'{path}' cannot be read as an action spec ({error}): mend it, or write a new one with "
            "dist2-validate write_spec="
        ) from error
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"'{path}' is no action spec: it needs 'action:' with a list of dimensions")
    return told_spec(content, f"'{path}'")


def format_spec(
    spec: ActionSpec,
    observed: Mapping[str, Sequence[ActionDimension]],
    remarks: Mapping[str, Sequence[str]],
    heading: str,
) -> str:
    """Return the text of a spec file, each line with a remark.

    Args:
        spec: Of the actions.
        observed: Feature -> its numbers.
        remarks: Feature -> a remark for each of its numbers, such as where it comes from; ``rate_hz`` and
            ``control_mode`` have one each.
        heading: The first lines, without ``#``.
    """
    lines = [f"# {line}".rstrip() for line in heading.splitlines()]
    for key, value in (("rate_hz", spec.rate_hz), ("control_mode", spec.control_mode)):
        lines.append(f"{key}: {value}  # {'; '.join(remarks[key])}")
    for feature, dimensions in {"action": spec.dimensions, **observed}.items():
        lines.append(f"{feature}:")
        for dimension, remark in zip(dimensions, remarks[feature], strict=True):
            lines.append(f"  - {_flow(dimension)}  # {remark}")
    return "\n".join(lines) + "\n"


def _flow(dimension: ActionDimension) -> str:
    entries = {"name": dimension.name, **{key: getattr(dimension, key) for key in ENTRIES}}
    rounded = {key: float(f"{x:.6g}") if isinstance(x, float) else x for key, x in entries.items()}
    return yaml.safe_dump(rounded, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True).strip()
