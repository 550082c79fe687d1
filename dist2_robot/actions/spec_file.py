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
from dist2_robot.files import MIB, read_bytes

MAX_BYTES = MIB


def read_spec_file(path: Path) -> ToldSpec:
    """Read such a file. Raises InputError, naming the file and the entry, where it is none."""
    try:
        text = read_bytes(path, MAX_BYTES)
        _check_plain(text)
        content = yaml.safe_load(text)
    except FileNotFoundError:
        raise InputError(
            f"'{path}', which shall tell units, does not exist: write one with dist2-validate write_spec="
        ) from None
    except (OSError, yaml.YAMLError, ValueError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"'{path}' cannot be read as an action spec ({reason}): mend it, or write a new one with "
            "dist2-validate write_spec="
        ) from error
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"'{path}' is no action spec: it needs 'action:' with a list of dimensions")
    return told_spec(content, f"'{path}'")


def _check_plain(text: bytes) -> None:
    """Raise ValueError for what a list of numbers and texts does not need: anchors, tags, an entry twice."""
    for token in yaml.scan(text):
        if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
            raise ValueError(f"line {token.start_mark.line + 1}: anchors, aliases and tags are not read")
    nodes = [yaml.compose(text, Loader=yaml.SafeLoader)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if twice := [key for key in keys if keys.count(key) > 1]:
                raise ValueError(f"line {node.start_mark.line + 1}: '{twice[0]}' is there twice")
            nodes += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value


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
