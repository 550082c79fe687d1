"""Names to classes. What a config or a checkpoint may name is in these tables, and nothing else is ever imported."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.errors import InputError, did_you_mean
from dist2_robot.losses.cross_entropy import CrossEntropyLoss
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.energy import EnergyLoss
from dist2_robot.losses.weighted_sum import WeightedSumLoss
from dist2_robot.models.free_head import FreeHead
from dist2_robot.models.head import Head
from dist2_robot.models.mixture_head import MixtureHead
from dist2_robot.policies.decoding import RULES
from dist2_robot.policies.token_policy import TokenPolicy
from dist2_robot.tokenizers.uniform import UniformTokenizer

TOKENIZERS: dict[str, Callable[..., UniformTokenizer]] = {"uniform": UniformTokenizer}
DISTANCES = {"squared": SquaredDistance, "absolute": AbsoluteDistance}
HEADS = {"free": FreeHead, "mixture": MixtureHead}


def look_up(table: Mapping[str, Any], name: str, what: str) -> Any:
    """Return the entry of a table. Raises InputError with the nearest name where there is none."""
    if name not in table:
        raise InputError(f"there is no {what} '{name}'.{did_you_mean(name, table)} Known: {', '.join(sorted(table))}")
    return table[name]


def build_tokenizer(spec: ActionSpec, config: Mapping[str, Any]) -> UniformTokenizer:
    """Build a tokenizer from its `config()`."""
    cls = look_up(TOKENIZERS, config["name"], "tokenizer")
    return _call(cls, spec, _arguments(config), f"tokenizer '{config['name']}'")


def build_head(width: int, values: Tensor, config: Mapping[str, Any]) -> Head:
    """Build a head from its `config()`, for features of a width and tokens of the given values (L, V)."""
    cls = look_up(HEADS, config["name"], "head")
    return _call(lambda arg, **kw: cls(width, values, **kw), None, _arguments(config), f"head '{config['name']}'")


def build_policy(spec: ActionSpec, config: Mapping[str, Any]) -> TokenPolicy:
    """Build a policy with fresh weights from its `config()`."""
    look_up({"token": TokenPolicy}, config["name"], "policy")
    look_up(RULES, config["decoding"], "decoding rule")
    tokenizer = build_tokenizer(spec, config["tokenizer"])
    head = build_head(config["width"], tokenizer.values(), config["head"])
    arguments = {k: v for k, v in _arguments(config).items() if k not in ("tokenizer", "head", "observation_sizes")}
    return TokenPolicy(spec, tokenizer, head, config["observation_sizes"], **arguments)


def build_loss(tokenizer: UniformTokenizer, config: Mapping[str, Any]) -> nn.Module:
    """Build a loss: ``{"name": ...}`` and its arguments; a ``sum`` has named ``terms``, each with a ``weight``."""
    name = config["name"]
    arguments = _arguments(config)
    if name == "sum":
        terms = {key: build_loss(tokenizer, _without(term, "weight")) for key, term in arguments["terms"].items()}
        return WeightedSumLoss(terms, {key: float(term["weight"]) for key, term in arguments["terms"].items()})
    if name == "cross_entropy":
        return _call(lambda _, **kw: CrossEntropyLoss(**kw), None, arguments, "loss 'cross_entropy'")
    cls = look_up({"dist2": Dist2Loss, "energy": EnergyLoss, "cross_entropy": None, "sum": None}, name, "loss")
    distance = arguments.pop("distance")
    distance_cls = look_up(DISTANCES, distance["name"], "distance")
    table = tokenizer.distances(distance_cls(**_arguments(distance)))
    return _call(cls, table, arguments, f"loss '{name}'")


def _arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    return _without(config, "name")


def _without(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in config.items() if k != key}


def _call(cls: Callable[..., Any], first: Any, arguments: Mapping[str, Any], what: str) -> Any:
    """Call a constructor; unknown arguments and refused values are the user's to mend."""
    try:
        return cls(first, **arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what}: {error}") from error
