"""Centres of clusters, by Lloyd's algorithm. N vectors, K centres, D coordinates."""

import torch
from torch import Tensor

ITERATIONS = 25
_CHUNK = 2**22  # distances that are held at a time


def k_means(vectors: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return K different centres (K, D) of vectors (N, D) in tolerances, float64.

    Seeded by k-means++ (Arthur and Vassilvitskii 2007): each seed is drawn with a probability that grows with its
    squared distance from those before. A centre that lost its last vector moves to the vector that is farthest from its
    own centre. With fewer different vectors than centres the rest are vectors shaken by a tolerance, so that no two
    tokens mean the same.
    """
    seeds = _seed(vectors, count, generator)
    if len(seeds) < count:  # every vector is a centre
        chosen = torch.randint(len(vectors), (count - len(seeds),), generator=generator)
        shaken = vectors[chosen] + torch.randn(len(chosen), vectors.shape[1], generator=generator, dtype=vectors.dtype)
        return torch.cat([seeds, shaken])
    centres, before = seeds, None
    for _ in range(ITERATIONS):
        squared, nearest = nearest_code(vectors, centres)
        if before is not None and torch.equal(nearest, before):
            break
        before = nearest
        size = torch.bincount(nearest, minlength=count)
        total = torch.zeros_like(centres).index_add_(0, nearest, vectors)
        centres = total / size.clamp(min=1)[:, None]
        empty = (size == 0).nonzero()[:, 0]
        centres[empty] = vectors[squared.topk(len(empty)).indices]
    return centres


def nearest_code(vectors: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the squared distance to the nearest of codes (K, D) and which it is, (N,) each."""
    parts = [torch.cdist(part, codes).min(dim=1) for part in vectors.split(max(1, _CHUNK // len(codes)))]
    return torch.cat([part.values for part in parts]).square(), torch.cat([part.indices for part in parts])


def _seed(vectors: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return different vectors far from each other, K or as many as there are."""
    chosen = [int(torch.randint(len(vectors), (1,), generator=generator))]
    squared = (vectors - vectors[chosen[0]]).square().sum(dim=1)
    while len(chosen) < count and squared.max() > 1e-12:
        chosen.append(int(torch.multinomial(squared, 1, generator=generator)))
        squared = torch.minimum(squared, (vectors - vectors[chosen[-1]]).square().sum(dim=1))
    return vectors[chosen]
