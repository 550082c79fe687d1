"""The loss of a policy on a batch. B batch, L tokens of a chunk, V vocabulary."""

from torch import Tensor, nn

from dist2_robot.losses.output import LossOutput
from dist2_robot.policies.token_policy import TokenPolicy
from dist2_robot.types import Batch


def chunk_loss(policy: TokenPolicy, loss: nn.Module, logits: Tensor, batch: Batch) -> LossOutput:
    """Return the loss of predicted logits (B, L, V) against the actions that were taken."""
    return loss(
        logits,
        policy.tokenizer.encode(batch.actions),
        target_values=policy.tokenizer.to_values(batch.actions),
        padding_mask=policy.tokenizer.padding_mask(batch.is_padding),
    )
