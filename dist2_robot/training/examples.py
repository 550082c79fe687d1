"""What DIST2Loss is, shown on real states: the target distribution, and what the policy predicts."""

from typing import Any

import torch
from torch import nn

from dist2_robot.data.windows import ChunkWindows
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.tokenizers.binned import BinnedTokenizer


@torch.no_grad()
def distribution_examples(
    policy: Policy, loss: nn.Module, windows: ChunkWindows, device: torch.device, count: int = 4
) -> list[dict[str, Any]]:
    """Return target and predicted distributions over the tokens of evenly spaced held-out frames, as plain values.

    Each example takes another action dimension that moves, in turn, at the first step of the chunk. The target is that
    of DIST2Loss where it is part of the loss, else one-hot. Policies whose tokens are not one action each have no such
    picture.
    """
    if not isinstance(policy, DiscretePolicy) or not isinstance(policy.tokenizer, BinnedTokenizer):
        return []
    frames = torch.linspace(0, len(windows) - 1, count + 2).long()[1:-1]
    batch = windows.gather(frames).to(device)
    tokens = policy.tokenizer.encode(batch.actions)
    probabilities = torch.softmax(policy(batch.observation, tokens), dim=-1)
    decoded = policy.act(batch.observation).actions
    dist2 = next((module for module in loss.modules() if isinstance(module, Dist2Loss)), None)
    target = dist2.target(tokens) if dist2 else nn.functional.one_hot(tokens, policy.tokenizer.vocab_size).float()
    examples, moving = [], policy.spec.moving.dimensions
    for i in range(count):
        position = i % len(moving)  # of the first step
        dimension = moving[position]
        column = policy.spec.dimensions.index(dimension)
        examples.append(
            {
                "dimension": dimension.name,
                "unit": dimension.unit,
                "step": 0,
                "values": policy.tokenizer.values()[position].tolist(),
                "target": target[i, position].tolist(),
                "predicted": probabilities[i, position].tolist(),
                "truth": float(batch.actions[i, 0, column]),
                "decoded": float(decoded[i, 0, column]),
            }
        )
    return examples
