"""What kind of value each option takes: as its default tells, else as the tables here say."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from dist2_robot.cli.defaults import known_keys
from dist2_robot.errors import InputError


class Kind(Enum):
    """What an option takes; the value is what a message calls it."""

    TEXT = "text"
    PATH = "text: one path"  # ~/ is the home of the user
    TEXTS = "text, or a [list] of texts"
    PATHS = "text, or a [list] of texts: paths"
    NAMES = "a [list] of names"
    LIST = "a [list]"
    WHOLE = "a whole number"
    NUMBER = "a number"
    BOOL = "true or false"
    RESUME = "true or false or auto"
    MAPPING = "a mapping"  # open: of keys that are not ours, perhaps nested
    BY_NAME = "a mapping by name"  # open: of names, which may hold dots, to values that are no mappings
    TEXT_BY_NAME = "a mapping of texts by name"
    GROUP = "a group of options"  # closed: with the keys of its file alone
    ANY = "a value"  # who uses it checks it


OPEN = (Kind.MAPPING, Kind.BY_NAME, Kind.TEXT_BY_NAME)

# Of options whose default (null, ???, {}) does not tell. A command's own, ``command: option``, goes before the shared.
_SILENT = {
    **dict.fromkeys(("checkpoint", "reward_model", "of", "source", "log", "calibration", "picture"), Kind.PATH),
    **dict.fromkeys(("output", "spec", "fix", "write_spec", "card: evaluation"), Kind.PATH),
    **dict.fromkeys(
        ("dataset.cache", "dataset.spec", "distance.path", "instruction.path", "vision.weights"), Kind.PATH
    ),
    **dict.fromkeys(("policy.model", "policy.ca", "policy.token_file", "token_file", "tls.cert", "tls.key"), Kind.PATH),
    **dict.fromkeys((f"{name}: dataset.root" for name in ("collect", "import", "rate", "validate")), Kind.PATH),
    **dict.fromkeys(("dataset.root", "runs"), Kind.PATHS),
    **dict.fromkeys(("dataset.repo_id", "dataset.revision", "name", "title", "licence", "only"), Kind.TEXT),
    **dict.fromkeys(("decoding", "robot_type", "robot.type", "robot.task", "robot.options.id"), Kind.TEXT),
    **dict.fromkeys(("env.id", "policy.address", "policy.camera", "robot.options.port"), Kind.TEXT),
    **dict.fromkeys(("deploy: task", "import: task"), Kind.TEXT),
    **dict.fromkeys(("task", "evaluation", "over"), Kind.TEXTS),
    **dict.fromkeys(("env.observation.state", "env.observation.environment_state"), Kind.TEXTS),
    "dataset.observations": Kind.NAMES,
    **dict.fromkeys(("dataset.weights", "tokenizers", "tokenizer.bins", "values"), Kind.LIST),
    **dict.fromkeys(("study.decodings", "study.heads", "study.losses"), Kind.LIST),
    **dict.fromkeys(("threads", "workers", "jobs", "episodes", "max_steps", "loss.neighbours"), Kind.WHOLE),
    **dict.fromkeys((f"study.{part}.max_steps" for part in ("effort", "screen", "final")), Kind.WHOLE),
    **dict.fromkeys((f"tokenizer.{key}" for key in ("coefficients", "control_points", "latents")), Kind.WHOLE),
    **dict.fromkeys(("tokenizer.max_tokens", "tokenizer.steps_per_code"), Kind.WHOLE),
    **dict.fromkeys(("duration_s", "ensemble", "until", "rate_hz", "env.rate_hz"), Kind.NUMBER),
    **dict.fromkeys(("slow_when_unsure", "stop_when_unsure", "stop_below"), Kind.NUMBER),
    "robot.use_degrees": Kind.BOOL,
    **dict.fromkeys(("robot.options", "robot.options.cameras", "robot.kwargs", "robot.spec"), Kind.MAPPING),
    **dict.fromkeys(("env.action", "env.options", "policy.lora"), Kind.MAPPING),
    **dict.fromkeys((f"env.observation.{part}" for part in ("names", "units", "pixels")), Kind.MAPPING),
    "robot.velocity": Kind.BY_NAME,
    **dict.fromkeys(("rename", "join", "names"), Kind.TEXT_BY_NAME),
    "env.kwargs": Kind.GROUP,  # what an environment takes is in its file
    **dict.fromkeys(("dataset.episodes", "dataset.image_size", "env.success"), Kind.ANY),
}
# Of options that take more than their default tells.
_MORE = {
    "cameras": Kind.NAMES,
    "deployments": Kind.PATHS,
    "env.success": Kind.ANY,
    "output": Kind.PATH,
    "resume": Kind.RESUME,
    "runs": Kind.PATHS,
}
_OF_DEFAULTS = {bool: Kind.BOOL, int: Kind.WHOLE, float: Kind.NUMBER, str: Kind.TEXT, list: Kind.LIST}


def kind_of(option: str, default: Any, command: str = "") -> Kind:
    """Return what an option takes.

    Args:
        option: Its full name, e.g. ``dataset.root``.
        default: Its default; None where there is no such option.
        command: Name of the command's YAML file, e.g. ``train``.
    """
    if option in _MORE:
        return _MORE[option]
    silent = _SILENT.get(f"{command}: {option}", _SILENT.get(option, Kind.ANY))
    if isinstance(default, dict):
        return silent if silent in OPEN else Kind.GROUP
    if default is None or (isinstance(default, str) and default.startswith(("???", "${"))):
        return silent
    return _OF_DEFAULTS[type(default)]


def open_mapping(option: str, standard: Mapping[str, Any], command: str = "") -> tuple[str, Kind] | None:
    """Return the open mapping that an option is, or is an entry of, and its kind; the outermost."""
    parts, known = option.split("."), known_keys(standard)
    for length in range(1, len(parts) + 1):
        name = ".".join(parts[:length])
        kind = kind_of(name, default_of(name, standard), command)
        if kind in OPEN and name in known:
            return name, kind
    return None


def default_of(option: str, standard: Mapping[str, Any]) -> Any:
    """Return the default of an option; None where it has none."""
    node: Any = standard
    for part in option.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def check_kinds(config: Mapping[str, Any], standard: Mapping[str, Any], command: str = "", prefix: str = "") -> None:
    """Raise InputError where a value is not of the kind of its option; null goes where it is the default.

    Args:
        config: Of a command, as plain values.
        standard: Its defaults.
        command: Name of its YAML file.
        prefix: Of the names of its options.
    """
    for key, default in standard.items():
        option = f"{prefix}{key}"
        if key not in config or (config[key] is None and default is None):
            continue
        value, kind = config[key], kind_of(option, default, command)
        if not _is_of(kind, value):
            what = f"a mapping, e.g. '{option}={{...: ...}}'" if kind in OPEN else kind.value
            raise InputError(f"{option} must be {what}, got {value!r}")
        if isinstance(default, dict):
            check_kinds(value, default, command, f"{option}.")
    if prefix == "" and isinstance(config.get("seed"), int) and config["seed"] < 0:
        raise InputError(f"seed must be 0 or more, got {config['seed']}")


def _is_of(kind: Kind, value: Any) -> bool:
    """Tell whether a value is of a kind; entries of groups, lists and open mappings are not looked at."""
    if kind in (Kind.GROUP, *OPEN):
        return isinstance(value, dict)
    if kind in (Kind.TEXT, Kind.PATH):
        return isinstance(value, str)
    if kind in (Kind.TEXTS, Kind.PATHS):
        return isinstance(value, str) or _is_of(Kind.NAMES, value)
    if kind is Kind.NAMES:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if kind is Kind.LIST:
        return isinstance(value, list)
    if kind is Kind.BOOL:
        return isinstance(value, bool)
    if kind is Kind.RESUME:
        return isinstance(value, bool) or value == "auto"
    if isinstance(value, bool):
        return kind is Kind.ANY
    return kind is Kind.ANY or isinstance(value, int) or (kind is Kind.NUMBER and isinstance(value, float))
