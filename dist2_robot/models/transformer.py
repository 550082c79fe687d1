"""A small pre-norm transformer. B batch, S sequence, D width."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class KeyValueCache:
    """What one attention layer has seen of a sequence, so that the next element need not look at it again."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append keys and values (B, heads, S, D / heads) and return all so far."""
        self.keys = keys if self.keys is None else torch.cat([self.keys, keys], dim=2)
        self.values = values if self.values is None else torch.cat([self.values, values], dim=2)
        return self.keys, self.values


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} must be a multiple of the number of attention heads, {heads}")
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_output = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None, cache: KeyValueCache | None = None) -> Tensor:
        qkv = self.to_qkv(x).unflatten(-1, (3, self.heads, -1))  # (B, S, 3, heads, D / heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # 3 x (B, heads, S, D / heads)
        if cache is not None:
            k, v = cache.extend(k, v)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.to_output(attended.transpose(1, 2).flatten(-2))


class Block(nn.Module):
    """``x + attention(norm(x))``, then ``x + mlp(norm(x))``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, mask: Tensor | None = None, cache: KeyValueCache | None = None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), mask, cache)
        return x + self.mlp(self.mlp_norm(x))


class Transformer(nn.Module):
    """Blocks and a last norm: (B, S, D) -> (B, S, D)."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        """Args: width: D. depth: Number of blocks. heads: Attention heads of a block."""
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def new_cache(self) -> list[KeyValueCache]:
        """Return an empty cache for one sequence."""
        return [KeyValueCache() for _ in self.blocks]

    def forward(self, x: Tensor, mask: Tensor | None = None, cache: list[KeyValueCache] | None = None) -> Tensor:
        """Transform a sequence.

        Args:
            x: (B, S, D).
            mask: (S, S), true where the row may attend to the column; None for every element to every other.
            cache: Of the elements before these; these are appended to it.
        """
        for i, block in enumerate(self.blocks):
            x = block(x, mask, None if cache is None else cache[i])
        return self.norm(x)
