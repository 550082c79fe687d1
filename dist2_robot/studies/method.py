"""What is compared: a head, a loss, and what else is set."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from dist2_robot.errors import InputError, did_you_mean

DEFAULT = "default"  # leaves an option as dist2-train has it
NO_DECODING = "none"  # of a policy without tokens
REGRESSION = "regression"
WITHOUT_TOKENS = (REGRESSION, "mlp_l1", "act", "diffusion", "vqbet")  # options of policy= in the place of a head


@dataclass(frozen=True)
class Method:
    """Attributes:
    head: Option of ``head=``, or one of `WITHOUT_TOKENS` for such a policy, or ``default``.
    loss: Option of ``loss=``, or ``default``.
    variant: Further options of dist2-train, separated by spaces: ``temperature.tau=8``.
    """

    head: str = DEFAULT
    loss: str = DEFAULT
    variant: str = ""

    @property
    def has_tokens(self) -> bool:
        """Whether its policy has tokens, and so rules to decode by."""
        return self.head not in WITHOUT_TOKENS

    @property
    def options(self) -> tuple[str, ...]:
        """What it adds to the command line of dist2-train."""
        head = f"head={self.head}" if self.has_tokens else f"policy={self.head}"
        chosen = [head] * (self.head != DEFAULT) + [f"loss={self.loss}"] * (self.loss != DEFAULT)
        return (*chosen, *self.variant.split())

    @property
    def name(self) -> str:
        """A folder name."""
        parts = [self.head, self.loss, *self.variant.split()]
        return "-".join(re.sub(r"[^\w.+-]+", "_", part) for part in parts)

    @property
    def label(self) -> str:
        """What tables call it."""
        chosen = [part for part in (self.head, self.loss) if part != DEFAULT] or [DEFAULT]
        return " ".join([*chosen, self.short_variant]).strip()

    @property
    def short_variant(self) -> str:
        """The further options without the groups that they stand in."""
        return " ".join(re.sub(r"^(loss\.terms|loss|temperature)\.", "", part) for part in self.variant.split())


def method_of(entry: Mapping[str, Any]) -> Method:
    """Return the method of a result row."""
    return Method(entry["head"], entry["loss"], entry["variant"])


def chosen_method(entry: Mapping[str, Any], known: Mapping[str, Collection[str]]) -> Method:
    """Return the method of a config entry: ``head``, ``loss``, ``variant``, all of which may be left out.

    Args:
        entry: May also hold ``decodings``.
        known: Group -> its options.

    Raises:
        InputError: An entry of another name, or an option that is not known.
    """
    if odd := set(entry) - {"head", "loss", "variant", "decodings"}:
        raise InputError(f"a method has head, loss, variant and decodings, not {', '.join(sorted(odd))}: {dict(entry)}")
    method = Method(**{key: str(value) for key, value in entry.items() if key != "decodings"})
    check_option(method.head, [DEFAULT, *known["head"], *({*WITHOUT_TOKENS} & {*known["policy"]})], "head")
    check_option(method.loss, [DEFAULT, *known["loss"]], "loss")
    return method


def check_option(option: str, known: Collection[str], group: str) -> None:
    """Raise InputError, with the nearest right word, for an option that a group does not have."""
    if option not in known:
        near = did_you_mean(option, known)
        raise InputError(f"there is no {group} '{option}'.{near} Known: {', '.join(sorted(known))}")
