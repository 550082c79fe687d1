"""What goes with what: one table, checked before anything is trained.

Tokens are of three kinds. ``numbers``: each stands for an interval of one number, so they have an order, distances and
means. ``codes``: each is a point, so they have distances (codebooks, lattices). ``symbols``: they have neither
(byte-pair merges). What can work with codes works with numbers too, and what can work with symbols works with all.
"""

from collections.abc import Mapping
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.tokenizers.tokenizer import Tokenizer

KINDS = ("symbols", "codes", "numbers")

# What each choice needs of the tokens, at least.
NEEDS: Mapping[str, Mapping[str, str]] = {
    "head": {"free": "symbols", "factored": "codes", "smooth": "numbers", "mixture": "numbers", "modes": "numbers"},
    "decoding": {
        "argmax": "symbols",
        "sample": "symbols",
        "min_risk": "codes",
        "median": "numbers",
        "mean": "numbers",
        "local_mean": "numbers",
    },
    "loss": {
        "cross_entropy": "symbols",
        "vocab": "symbols",
        "label_smoothing": "symbols",
        "del": "symbols",
        "dist2": "codes",
        "sord": "codes",
        "energy": "codes",
        "number_token_was": "codes",
        "reinforce": "codes",
        "hl_gauss": "numbers",
        "dist2_value": "numbers",
        "joint_energy": "numbers",
        "emd": "numbers",
        "number_token_mse": "numbers",
        "ntil": "numbers",
        "raft": "numbers",
    },
}


def kind_of(tokenizer: Tokenizer) -> str:
    """Return what kind of tokens a tokenizer makes."""
    if tokenizer.is_ordered:
        return "numbers"
    return "codes" if tokenizer.points().points.shape[-1] else "symbols"


def check_compatible(tokenizer: Tokenizer, *, head: str, decoding: str, loss: Mapping[str, Any]) -> None:
    """Raise InputError that names everything that does not go with a tokenizer, and what does.

    Args:
        tokenizer: What cuts actions into tokens.
        head: Its name.
        decoding: The name of the rule.
        loss: Its config, with terms if it is a sum. Names that nobody knows are left to the registry.
    """
    kind = kind_of(tokenizer)
    names = [("head", head), ("decoding", decoding), *(("loss", name) for name in _names(loss))]
    problems = [
        f"{what}={name} (use {', '.join(_going_with(what, kind))})"
        for what, name in dict.fromkeys(names)
        if KINDS.index(NEEDS[what].get(name, "symbols")) > KINDS.index(kind)
    ]
    if problems:
        raise InputError(
            f"tokenizer={tokenizer.config()['name']} makes {kind}, which do not go with {'; '.join(problems)}"
        )


def _names(loss: Mapping[str, Any]) -> list[str]:
    terms = loss.get("terms")
    if loss.get("name") != "sum" or not isinstance(terms, Mapping):
        return [str(loss.get("name"))]
    return [name for term in terms.values() if isinstance(term, Mapping) for name in _names(term)]


def _going_with(what: str, kind: str) -> list[str]:
    return [name for name, needed in NEEDS[what].items() if KINDS.index(needed) <= KINDS.index(kind)]
