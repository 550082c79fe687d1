"""Pictures as codes of a learned codebook: a small VQ-VAE (van den Oord et al. 2017, arXiv 1711.00937).

N pictures, H height, W width, E coordinates of a code, V codes, L = H / 4 * W / 4 cells of a picture, row after row.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.protocol import Distance
from dist2_robot.distances.table import DistanceTable
from dist2_robot.tokenizers.k_means import k_means, nearest_code

CELL = 4  # pixels of a cell's side
COMMITMENT = 0.25  # weight of what draws features to their codes, as published
PLAIN, REVIVING = 0.25, 0.75  # share of the steps before there are codes, and up to which unused ones are moved
REVIVE_EVERY = 50  # steps
SEEN_FOR_CODES = 512  # pictures whose features the first codes are the centres of
PART = 256  # pictures that are worked on at a time


class PictureVQ(nn.Module):
    """Each cell of 4 x 4 pixels becomes one of V codes; what a code looks like depends on those around it.

    It learns without codes first, whose beginnings then are the centres of what it found (k-means). Its weights are
    frozen but for `fit`.

    Args:
        size: (H, W), multiples of 4.
        codes: V.
        code_width: E.
        channels: Of the first of its layers; the others have twice as many.
        steps: Of `fit`.
        batch_size: Pictures of a step.
        learning_rate: At its peak.
        seed: Of its first weights and of all draws.
    """

    def __init__(
        self,
        size: tuple[int, int],
        *,
        codes: int = 128,
        code_width: int = 8,
        channels: int = 32,
        steps: int = 800,
        batch_size: int = 32,
        learning_rate: float = 2e-3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        height, width = (int(side) for side in size)
        if height % CELL or width % CELL or min(height, width) < CELL:
            raise ValueError(f"pictures must be multiples of {CELL} pixels high and wide, got {height} x {width}")
        if codes < 2 or steps < 1:
            raise ValueError(f"a codebook needs at least 2 codes and 1 step to learn them, got {codes} and {steps}")
        self.size, self.grid = (height, width), (height // CELL, width // CELL)
        self.vocab_size, self.code_width, self.channels = codes, code_width, channels
        self.steps, self.batch_size, self.learning_rate, self.seed = steps, batch_size, learning_rate, seed
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.encoder = nn.Sequential(
                nn.Conv2d(3, channels, 4, stride=2, padding=1),
                nn.GELU(),
                nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
                nn.GELU(),
                nn.Conv2d(2 * channels, 2 * channels, 3, padding=1),
                nn.GELU(),
                nn.Conv2d(2 * channels, code_width, 1),
            )
            self.decoder = nn.Sequential(
                nn.Conv2d(code_width, 2 * channels, 3, padding=1),
                nn.GELU(),
                nn.Conv2d(2 * channels, 2 * channels, 3, padding=1),
                nn.GELU(),
                nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1),
                nn.GELU(),
                nn.ConvTranspose2d(channels, 3, 4, stride=2, padding=1),
            )
            self.codebook = nn.Parameter(torch.randn(codes, code_width))  # (V, E)
        self.requires_grad_(False)

    @property
    def tokens(self) -> int:
        """L."""
        return self.grid[0] * self.grid[1]

    def config(self) -> dict[str, Any]:
        """Return plain values from which the same module is built anew, as arguments."""
        names = ("codes", "code_width", "channels", "steps", "batch_size", "learning_rate", "seed")
        return {"size": list(self.size), **{n: getattr(self, "vocab_size" if n == "codes" else n) for n in names}}

    def fit(self, pictures: Tensor) -> float:
        """Learn from pictures (N, H, W, 3), uint8; return the mean squared error at the last step, pixels in [0, 1]."""
        self._check(pictures)
        self.requires_grad_(True)
        generator = torch.Generator().manual_seed(self.seed)
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        plain, reviving = (int(share * self.steps) for share in (PLAIN, REVIVING))
        used = torch.zeros(self.vocab_size, dtype=torch.bool)
        error = torch.zeros(())
        for step in range(self.steps):
            if step == plain:
                self._begin_codes(pictures, generator)
            wanted = _scaled(pictures[torch.randint(len(pictures), (self.batch_size,), generator=generator)], self)
            features = self.encoder(wanted)  # (B, E, h, w)
            loss = features.new_zeros(())
            if step >= plain:
                codes = self._nearest(features.detach())
                chosen = self._embed(codes)
                loss = F.mse_loss(chosen, features.detach()) + COMMITMENT * F.mse_loss(features, chosen.detach())
                used[codes.flatten()] = True
                chosen = features + (chosen - features).detach()  # the gradient passes the codes straight through
            else:
                chosen = features
            error = F.mse_loss(self.decoder(chosen), wanted)
            optimizer.zero_grad()
            (error + loss).backward()
            optimizer.step()
            schedule.step()
            if plain <= step < reviving and step % REVIVE_EVERY == REVIVE_EVERY - 1:
                self._revive(~used, features.detach(), generator)
                used.zero_()
        optimizer.zero_grad()  # or what trains the rest would clip by these gradients too
        self.requires_grad_(False)
        return error.item()

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """Return the codes (N, L) of pictures (N, H, W, 3) from 0 to 255. Raises ValueError for another size."""
        self._check(pictures)
        return torch.cat([self._nearest(self.encoder(_scaled(some, self))) for some in pictures.split(PART)])

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Return the pictures (N, H, W, 3), uint8, of codes (N, L)."""
        parts = [self.decoder(self._embed(some)) for some in codes.split(PART)]
        return ((torch.cat(parts) + 0.5) * 255).round().clamp(0, 255).to(torch.uint8).movedim(1, -1)

    def points(self) -> TokenPoints:
        """Return where the codes lie. They have no unit of their own: 1 is the mean distance between two of them."""
        codes = self.codebook.detach().double().cpu()
        return TokenPoints((codes / F.pdist(codes).mean())[None], groups=torch.zeros(1, dtype=torch.long))

    def distances(self, distance: Distance) -> DistanceTable:
        """Return how far apart the codes are, the same in all cells."""
        return self.points().distances(distance)

    def _check(self, pictures: Tensor) -> None:
        if pictures.ndim != 4 or tuple(pictures.shape[1:]) != (*self.size, 3) or not len(pictures):
            raise ValueError(f"pictures must be (N, {self.size[0]}, {self.size[1]}, 3), got {tuple(pictures.shape)}")

    def _nearest(self, features: Tensor) -> Tensor:
        """Return codes (N, L) of features (N, E, h, w)."""
        vectors = features.movedim(1, -1).reshape(-1, self.code_width)
        return nearest_code(vectors, self.codebook.detach())[1].view(len(features), -1)

    def _embed(self, codes: Tensor) -> Tensor:
        """Return features (N, E, h, w) of codes (N, L)."""
        return self.codebook[codes].unflatten(1, self.grid).movedim(-1, 1)

    @torch.no_grad()
    def _begin_codes(self, pictures: Tensor, generator: torch.Generator) -> None:
        some = pictures[torch.randint(len(pictures), (min(SEEN_FOR_CODES, len(pictures)),), generator=generator)]
        vectors = self.encoder(_scaled(some, self)).movedim(1, -1).reshape(-1, self.code_width)
        self.codebook.copy_(k_means(vectors.double().cpu(), self.vocab_size, generator))

    @torch.no_grad()
    def _revive(self, unused: Tensor, features: Tensor, generator: torch.Generator) -> None:
        """Move codes that nothing was near to where something is."""
        vectors = features.movedim(1, -1).reshape(-1, self.code_width)
        chosen = torch.randint(len(vectors), (int(unused.sum()),), generator=generator)
        self.codebook[unused.to(self.codebook.device)] = vectors[chosen.to(vectors.device)]


def _scaled(pictures: Tensor, module: PictureVQ) -> Tensor:
    """Return pictures (N, H, W, 3) from 0 to 255 as (N, 3, H, W) from -1/2 to 1/2, where the module is."""
    return pictures.to(module.codebook.device).movedim(-1, 1).float() / 255 - 0.5
