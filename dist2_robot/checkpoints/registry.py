"""Names to classes. What a config or a checkpoint may name is in these tables, and nothing else is ever imported."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from torch import Tensor, nn

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.checkpoints.registered import REGISTERED
from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.chordal import ChordalDistance
from dist2_robot.distances.circular import CircularDistance
from dist2_robot.distances.cosine import CosineDistance
from dist2_robot.distances.entropy_temperature import EntropyTemperature
from dist2_robot.distances.euclidean import EuclideanDistance
from dist2_robot.distances.geodesic import GeodesicDistance
from dist2_robot.distances.huber import HuberDistance
from dist2_robot.distances.lattice import LatticeDistance
from dist2_robot.distances.matrix import MatrixDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.protocol import Distance
from dist2_robot.distances.random import RandomDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.distances.temperature import FixedTemperature, Temperature
from dist2_robot.distances.width_temperature import WidthTemperature
from dist2_robot.errors import InputError, did_you_mean
from dist2_robot.losses.cross_entropy import CrossEntropyLoss
from dist2_robot.losses.del_ import DigitEntropyLoss
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.emd import EMDLoss
from dist2_robot.losses.energy import EnergyLoss
from dist2_robot.losses.hl_gauss import HLGaussLoss
from dist2_robot.losses.l1 import L1Loss
from dist2_robot.losses.label_smoothing import LabelSmoothingLoss
from dist2_robot.losses.mse import MSELoss
from dist2_robot.losses.ntil import NTILoss
from dist2_robot.losses.number_token import NumberTokenMSELoss, NumberTokenWASLoss
from dist2_robot.losses.own import OwnLoss
from dist2_robot.losses.raft import RaftLoss
from dist2_robot.losses.reinforce import ReinforceLoss
from dist2_robot.losses.sord import SordLoss
from dist2_robot.losses.vocab import VocabLoss
from dist2_robot.losses.weighted_sum import WeightedSumLoss
from dist2_robot.models.conv_encoder import ConvEncoder
from dist2_robot.models.factored_head import FactoredHead
from dist2_robot.models.film_encoder import FilmEncoder
from dist2_robot.models.free_head import FreeHead
from dist2_robot.models.hashed_words import HashedWords
from dist2_robot.models.head import Head
from dist2_robot.models.instruction_encoder import InstructionEncoder
from dist2_robot.models.language_model import LanguageModel, open_language_model
from dist2_robot.models.mixture_head import MixtureHead
from dist2_robot.models.observation_encoder import ObservationEncoder
from dist2_robot.models.picture_encoder import PictureEncoder
from dist2_robot.models.resnet_encoder import ResNetEncoder
from dist2_robot.models.smooth_head import SmoothHead
from dist2_robot.models.task_embedding import TaskEmbedding
from dist2_robot.models.text_model import TextModel
from dist2_robot.models.timm_encoder import TimmEncoder
from dist2_robot.policies.decoding import RULES, Sampling
from dist2_robot.policies.language_policy import LanguagePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.policies.regression_policy import RegressionPolicy
from dist2_robot.policies.token_policy import TokenPolicy
from dist2_robot.tokenizers.bspline import BsplineTokenizer
from dist2_robot.tokenizers.dct import DctTokenizer
from dist2_robot.tokenizers.digits import DigitsTokenizer
from dist2_robot.tokenizers.fast import FastTokenizer
from dist2_robot.tokenizers.fsq import FsqTokenizer
from dist2_robot.tokenizers.gaussian import GaussianTokenizer
from dist2_robot.tokenizers.mu_law import MuLawTokenizer
from dist2_robot.tokenizers.per_dimension import PerDimensionTokenizer
from dist2_robot.tokenizers.picture_vq import PictureVQ
from dist2_robot.tokenizers.quantile import QuantileTokenizer
from dist2_robot.tokenizers.residual_vq import ResidualVQTokenizer
from dist2_robot.tokenizers.tokenizer import Tokenizer
from dist2_robot.tokenizers.uniform import UniformTokenizer
from dist2_robot.types import ObservationSpec

TOKENIZERS: dict[str, Callable[..., Tokenizer]] = {
    "uniform": UniformTokenizer,
    "quantile": QuantileTokenizer,
    "mu_law": MuLawTokenizer,
    "gaussian": GaussianTokenizer,
    "per_dimension": PerDimensionTokenizer,
    "digits": DigitsTokenizer,
    "dct": DctTokenizer,
    "bspline": BsplineTokenizer,
    "residual_vq": ResidualVQTokenizer,
    "fsq": FsqTokenizer,
    "fast": FastTokenizer,
}
DISTANCES: dict[str, Callable[..., Distance]] = {
    "squared": SquaredDistance,
    "absolute": AbsoluteDistance,
    "huber": HuberDistance,
    "chordal": ChordalDistance,
    "circular": CircularDistance,
    "geodesic": GeodesicDistance,
    "euclidean": EuclideanDistance,
    "cosine": CosineDistance,
    "lattice": LatticeDistance,
    "matrix": MatrixDistance,
    "random": RandomDistance,
}
TEMPERATURES: dict[str, Callable[..., Temperature]] = {
    "fixed": FixedTemperature,
    "entropy": EntropyTemperature,
    "width": WidthTemperature,
}
HEADS: dict[str, Callable[..., Head]] = {
    "free": FreeHead,
    "mixture": MixtureHead,
    "smooth": SmoothHead,
    "factored": FactoredHead,
}
VISIONS: dict[str, Callable[..., PictureEncoder]] = {
    "conv": ConvEncoder,
    "film": FilmEncoder,
    "resnet18": ResNetEncoder,
    "timm": TimmEncoder,
}
INSTRUCTIONS: dict[str, Callable[..., InstructionEncoder]] = {
    "embedding": TaskEmbedding,
    "words": HashedWords,
    "text_model": TextModel,
}
POLICIES: dict[str, Callable[..., Policy]] = {
    "token": TokenPolicy,
    "language_model": LanguagePolicy,
    "regression": RegressionPolicy,
}
LOSSES: dict[str, Callable[..., nn.Module]] = {
    "cross_entropy": CrossEntropyLoss,
    "del": DigitEntropyLoss,
    "dist2": Dist2Loss,
    "emd": EMDLoss,
    "energy": EnergyLoss,
    "hl_gauss": HLGaussLoss,
    "l1": L1Loss,
    "label_smoothing": LabelSmoothingLoss,
    "mse": MSELoss,
    "ntil": NTILoss,
    "number_token_mse": NumberTokenMSELoss,
    "number_token_was": NumberTokenWASLoss,
    "own": OwnLoss,
    "raft": RaftLoss,
    "reinforce": ReinforceLoss,
    "sord": SordLoss,
    "sum": WeightedSumLoss,
    "vocab": VocabLoss,
}


def look_up(table: Mapping[str, Any], name: str, what: str) -> Any:
    """Return the entry of a table. Raises InputError with the nearest name where there is none."""
    if not isinstance(name, str) or name not in table:
        near = did_you_mean(str(name), table)
        raise InputError(f"there is no {what} '{name}'.{near} Known: {', '.join(sorted(table))}")
    return table[name]


def build_tokenizer(spec: ActionSpec, config: Mapping[str, Any]) -> Tokenizer:
    """Build a tokenizer from its `config()`."""
    cls, arguments = _choose(TOKENIZERS, config, "tokenizer")
    return _call(f"tokenizer '{config['name']}'", cls, spec, **arguments)


def build_head(width: int, points: TokenPoints, config: Any, places: int = 1) -> Head:
    """Build a head from its `config()`, for features of a width, tokens at points, and so many positions a query."""
    cls, arguments = _choose(HEADS, config, "head")
    return _call(f"head '{config['name']}'", cls, width, points, places, **arguments)


def build_policy(spec: ActionSpec, config: Mapping[str, Any], fitted: Mapping[str, Tensor] | None = None) -> Policy:
    """Build a policy with fresh weights from its `config()`.

    Args:
        spec: What an action is.
        config: Names and arguments.
        fitted: The state of a fitted tokenizer: what its tokens mean must be known before a head is built on them.
    """
    cls, arguments = _choose({**POLICIES, **REGISTERED}, config, "policy")
    what = f"policy '{config['name']}'"
    if config["name"] in REGISTERED:
        return _call(what, cls, spec, _read_observation(arguments.pop("observation", None)), **arguments)
    if cls is RegressionPolicy:
        return _call(what, cls, spec, _take_encoder(arguments, arguments.get("width", 0)), **arguments)
    look_up(RULES, str(arguments.get("decoding")), "decoding rule")
    tokenizer = build_tokenizer(spec, arguments.pop("tokenizer", None))
    if fitted:
        tokenizer.load_state_dict(fitted)
        tokenizer.check_fitted()
    places, width, models = 1, arguments.get("width", 0), []
    if cls is LanguagePolicy:
        models = [_take_language_model(what, arguments)]
        width = models[0].width
    elif arguments.get("queries", "step") == "step":
        places = tokenizer.tokens_per_query
    head = build_head(width, tokenizer.points(), arguments.pop("head", None), places)
    if arguments.get("sampling") is not None:
        arguments["sampling"] = _call("sampling", Sampling, **arguments["sampling"])
    if arguments.get("distance") is not None:
        arguments["distance"] = build_distance(arguments["distance"])
    return _call(what, cls, spec, tokenizer, head, _take_encoder(arguments, width), *models, **arguments)


def _take_language_model(what: str, arguments: dict[str, Any]) -> LanguageModel:
    """Build the language model of a policy from its arguments, which lose those that were for it."""
    names = ("model", "pretrained", "dtype", "lora", "gradient_checkpointing")
    options = {name: arguments.pop(name) for name in names if name in arguments}
    whole = arguments.get("support") == "vocabulary"
    return _call(what, open_language_model, **options, whole_vocabulary=whole)


def build_observation_encoder(config: Mapping[str, Any], width: int) -> ObservationEncoder:
    """Build what looks and reads, from its `config()`: ``observation``, ``vision`` and ``instruction``."""
    observation = _read_observation(config["observation"])
    cameras = {name: _build_vision(config["vision"], size, width) for name, size in observation.pictures.items()}
    instruction = None
    if config.get("instruction") is not None:
        cls, arguments = _choose(INSTRUCTIONS, config["instruction"], "instruction")
        instruction = _call(
            f"instruction '{config['instruction']['name']}'", cls, observation.tasks, width, **arguments
        )
    return _call("observation", ObservationEncoder, observation, width, cameras, instruction)


def _read_observation(content: Any) -> ObservationSpec:
    try:
        return ObservationSpec.from_dict(content)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InputError(f"the observation of the policy cannot be read: {error!r}") from error


def _build_vision(config: Any, size: tuple[int, int], width: int) -> PictureEncoder:
    cls, arguments = _choose(VISIONS, config, "vision")
    return _call(f"vision '{config['name']}'", cls, size, width, **arguments)


def _take_encoder(arguments: dict[str, Any], width: int) -> ObservationEncoder:
    """Build the encoder of a policy, for a width, from its arguments, which lose those that were for it."""
    config = {key: arguments.pop(key, None) for key in ("observation", "vision", "instruction")}
    return build_observation_encoder(config, width)


def build_loss(
    tokenizer: Tokenizer | PictureVQ | None, config: Mapping[str, Any], token_ids: Tensor | None = None
) -> nn.Module:
    """Build a loss: ``{"name": ...}`` and its arguments; a ``sum`` has named ``terms``, each with a ``weight``.

    Without a tokenizer it is a loss for a policy without tokens. What a loss needs to know of the tokens it gets by
    the names of its parameters: ``distances`` (made with the ``distance`` of the config), ``points``, ``token_ids``.
    The last are given where the logits are of more than the tokens of the tokenizer: which of them those are.
    """
    cls, arguments = _choose(LOSSES, config, "loss")
    what = f"loss '{config['name']}'"
    if cls is WeightedSumLoss:
        configs = arguments.pop("terms", None)
        if not isinstance(configs, Mapping) or not all(isinstance(term, Mapping) for term in configs.values()):
            raise InputError(f"{what} needs terms, each with a name and a weight, got {configs!r}")
        weights = {key: term.get("weight") for key, term in configs.items()}
        terms = {key: build_loss(tokenizer, _without(term, "weight"), token_ids) for key, term in configs.items()}
        for key, weight in weights.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float):
                raise InputError(f"{what}: the weight of '{key}' must be a number, got {weight!r}")
        return _call(what, cls, terms, weights, **arguments)
    if getattr(cls, "for_regression", False):
        if tokenizer is not None:
            raise InputError(f"{what} compares numbers, not tokens: use it with policy=regression")
        return _call(what, cls, **arguments)
    if tokenizer is None:
        raise InputError(f"{what} compares tokens, and this policy has none: use loss=l1 or loss=mse")
    wanted = signature(cls).parameters
    if "distances" in wanted:
        arguments["distances"] = tokenizer.distances(build_distance(arguments.pop("distance", None)))
    if "points" in wanted:
        arguments["points"] = tokenizer.points()
    if token_ids is not None and "token_ids" in wanted:
        arguments["token_ids"] = token_ids
    elif token_ids is not None and cls is not CrossEntropyLoss:
        known = ", ".join(name for name, loss in LOSSES.items() if "token_ids" in signature(loss).parameters)
        raise InputError(
            f"{what} knows action tokens alone: policy.support=vocabulary needs cross_entropy, {known} or a sum of them"
        )
    if isinstance(arguments.get("tau"), Mapping):
        arguments["tau"] = build_temperature(arguments["tau"])
    return _call(what, cls, **arguments)


def build_distance(config: Any) -> Distance:
    """Build a distance from its `config()`."""
    cls, arguments = _choose(DISTANCES, config, "distance")
    return _call(f"distance '{config['name']}'", cls, **arguments)


def build_temperature(config: Any) -> Temperature:
    """Build a temperature from its `config()`."""
    cls, arguments = _choose(TEMPERATURES, config, "temperature")
    return _call(f"temperature '{config['name']}'", cls, **arguments)


def _choose(table: Mapping[str, Any], config: Any, what: str) -> tuple[Any, dict[str, Any]]:
    """Return the entry of a table that a config names, and its arguments."""
    if not isinstance(config, Mapping) or "name" not in config:
        raise InputError(f"the {what} has no name: give one of {', '.join(sorted(table))}, got {config!r}")
    return look_up(table, config["name"], what), _without(config, "name")


def _without(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in config.items() if k != key}


def _call(what: str, cls: Callable[..., Any], *first: Any, **arguments: Any) -> Any:
    """Call a constructor; unknown arguments and refused values are the user's to mend."""
    try:
        return cls(*first, **arguments)
    except (TypeError, ValueError, OverflowError, ArithmeticError, RuntimeError) as error:
        raise InputError(f"{what}: {' '.join(str(error).split())}") from error
