"""Any tokenizer of ours as steps of a LeRobot pipeline. B batch, T steps of a chunk, A action dimensions, L tokens.

For policies of others that learn tokens. Saved pipelines name the steps by their registered names and our tokenizers by
ours, and hold what the tokenizers have fitted as safetensors: nothing that a file names is imported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lerobot.configs import PipelineFeatureType, PolicyFeature
from lerobot.lerobot_types import EnvTransition, TransitionKey
from lerobot.processor import ProcessorStep, ProcessorStepRegistry
from lerobot.utils.constants import ACTION_TOKEN_MASK, ACTION_TOKENS
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.checkpoints.registry import build_tokenizer
from dist2_robot.tokenizers.tokenizer import Tokenizer

Features = dict[PipelineFeatureType, dict[str, PolicyFeature]]


@dataclass
class _TokenStep(ProcessorStep):
    """A step that has a tokenizer.

    Attributes:
        action_spec: What an action is, as plain values.
        tokenizer: Name and arguments of a tokenizer, as its `config()` tells them.
    """

    action_spec: Mapping[str, Any]
    tokenizer: Mapping[str, Any]
    built: Tokenizer = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.built = build_tokenizer(ActionSpec.from_dict(self.action_spec), self.tokenizer)

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "_TokenStep":
        """Return a step with a fitted tokenizer."""
        step = cls(tokenizer.spec.to_dict(), tokenizer.config())
        step.load_state_dict(tokenizer.state_dict())
        return step

    def get_config(self) -> dict[str, Any]:
        return {"action_spec": dict(self.action_spec), "tokenizer": dict(self.tokenizer)}

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.built.state_dict())

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.built.load_state_dict(state, strict=True)
        self.built.check_fitted()

    def transform_features(self, features: Features) -> Features:
        return features


@ProcessorStepRegistry.register("dist2_tokenize_actions")
@dataclass
class TokenizeActionsStep(_TokenStep):
    """Puts the tokens (B, L) of the actions (B, T, A) beside them, as ``action.tokens``; all of them count.

    Where there is no action, as when a policy acts, nothing changes.
    """

    def __call__(self, transition: EnvTransition) -> EnvTransition:
        action = transition.get(TransitionKey.ACTION)
        if action is None:
            return transition
        assert isinstance(action, Tensor)
        tokens = self.built.to(action.device).encode(action)
        beside = dict(transition.get(TransitionKey.COMPLEMENTARY_DATA) or {})
        beside |= {ACTION_TOKENS: tokens, ACTION_TOKEN_MASK: tokens.new_ones(tokens.shape).bool()}
        changed: Any = {**transition, TransitionKey.COMPLEMENTARY_DATA: beside}
        return changed


@ProcessorStepRegistry.register("dist2_detokenize_actions")
@dataclass
class DetokenizeActionsStep(_TokenStep):
    """Turns the tokens (B, L) that a policy gives as its action into actions (B, T, A).

    Raises ValueError for tokens that the tokenizer cannot have made.
    """

    def __call__(self, transition: EnvTransition) -> EnvTransition:
        tokens = transition.get(TransitionKey.ACTION)
        if tokens is None:
            return transition
        assert isinstance(tokens, Tensor)
        changed: Any = {**transition, TransitionKey.ACTION: self.built.to(tokens.device).decode(tokens)}
        return changed
