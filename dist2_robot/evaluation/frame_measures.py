"""How good predicted pictures are. N pictures, H height, W width, F features."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

CHANNELS = (3, 32, 64, 32)  # of the layers of `random_features`
CELLS = 2  # into so many rows and columns of cells a picture's features are averaged
REDNESS = 60  # by how much red must exceed green and blue, of 255, to count as the thing's colour


def psnr(predicted: Tensor, truth: Tensor) -> float:
    """Return the peak signal-to-noise ratio of pictures (N, H, W, 3) from 0 to 255, in dB, of the error of all."""
    error = ((predicted.double() - truth.double()) / 255).square().mean()
    return float(-10 * torch.log10(error.clamp(min=1e-12)))


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Return the squared Fréchet distance of two normal distributions with the moments of features (N, F) and (M, F).

    ``|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2))`` with their covariances A and B, as in the FID (Heusel et al.
    2017).
    """
    a, b = a.double(), b.double()
    first, second = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(first)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + first.trace() + second.trace() - 2 * shared)


@torch.no_grad()
def random_features(pictures: Tensor) -> Tensor:
    """Return features (N, F) of pictures (N, H, W, 3) from 0 to 255: those of a network that nobody trained.

    Three strided convolutions with rectifiers and fixed random weights, averaged over each quarter of the picture. No
    trained network comes with a package, so no distance in these features compares with an FID.
    """
    generator = torch.Generator().manual_seed(0)
    x = pictures.movedim(-1, 1).float() / 255 - 0.5
    for inputs, outputs in pairwise(CHANNELS):
        weights = torch.randn(outputs, inputs, 3, 3, generator=generator) * math.sqrt(2 / (9 * inputs))
        x = F.relu(F.conv2d(x, weights.to(x.device), stride=2, padding=1))
    return F.adaptive_avg_pool2d(x, CELLS).flatten(1)


def red_places(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Return where red is in pictures (N, H, W, 3) from 0 to 255: row and column (N, 2), and whether it is (N,)."""
    red, others = pictures[..., 0].float(), pictures[..., 1:].float().amax(-1)
    mass = (red - others - REDNESS).clamp(min=0)  # (N, H, W)
    total = mass.sum((1, 2))
    rows, columns = (torch.arange(n, device=mass.device, dtype=mass.dtype) for n in mass.shape[1:])
    row, column = (mass.sum(2) * rows).sum(1), (mass.sum(1) * columns).sum(1)
    return torch.stack([row, column], dim=1) / total.clamp(min=1)[:, None], total > 0


def place_error(predicted: Tensor, truth: Tensor) -> float:
    """Return how far red is from where it should be, in pixels, on average over pictures (N, H, W, 3) that show it.

    Where it is not predicted at all that counts as half the diagonal.

    Raises:
        ValueError: There is no red in the true pictures.
    """
    places, is_there = red_places(truth)
    found, is_found = red_places(predicted)
    if not is_there.any():
        raise ValueError("there is nothing red in the true pictures, whose place could be predicted")
    half_diagonal = math.hypot(*truth.shape[1:3]) / 2
    error = torch.where(is_found, (found - places).norm(dim=1), half_diagonal)
    return float(error[is_there].mean())
