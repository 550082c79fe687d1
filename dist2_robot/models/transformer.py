"""A small pre-norm transformer. B batch, S sequence, D width."""

import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself, every element to every other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} must be a multiple of the number of attention heads, {heads}")
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_output = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.to_qkv(x).unflatten(-1, (3, self.heads, -1))  # (B, S, 3, heads, D / heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # 3 x (B, heads, S, D / heads)
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.to_output(attended.transpose(1, 2).flatten(-2))


class Block(nn.Module):
    """``x + attention(norm(x))``, then ``x + mlp(norm(x))``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.mlp(self.mlp_norm(x))


class Transformer(nn.Module):
    """Blocks and a last norm: (B, S, D) -> (B, S, D)."""

    def __init__(self, width: int, depth: int, heads: int) -> None:
        """Args: width: D. depth: Number of blocks. heads: Attention heads of a block."""
        super().__init__()
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.blocks(x))
