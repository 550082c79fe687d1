"""How good predicted distributions are, given what came: proper scores and the share inside of intervals.

N predictions of one number, V tokens in the order of their values. A distribution over tokens is taken in two ways: as
masses on the tokens' values, of which one is what a policy does (`crps`), and as a density that is flat within each bin
(`negative_log_likelihood`, `coverage`), which is what makes tokenizers with other numbers of bins comparable.
"""

import torch
from torch import Tensor


def crps(probabilities: Tensor, values: Tensor, truth: Tensor, period: float | None = None) -> Tensor:
    """Return the continuous ranked probability score ``E d(X, y) - E d(X, X') / 2``, (N,), in the unit of the values.

    Gneiting & Raftery 2007, equation 21. X and X' are drawn from the masses on the values, y is the truth, and d is the
    absolute difference; of all mass on one value it is the absolute error. Exact, in O(V): with F the distribution
    function, ``E |X - X'| = 2 sum_k F_k (1 - F_k) (v_(k+1) - v_k)``.

    On a circle d is the shorter arc (Grimit et al. 2006, which is proper, too). With G(s) the mass of the half circle
    that begins at s, ``E d(X, X')`` is the integral of ``G (1 - G)`` round the circle, and G changes at 2 V places.

    Args:
        probabilities: (N, V), each row sums to one.
        values: (V,), increasing.
        truth: (N,).
        period: The length of the circle, which holds all values; None on a line.
    """
    p, v, y = probabilities.double(), values.double(), truth.double()
    distance = (v - y[:, None]).abs()
    if period is None:
        below = p.cumsum(-1)[:, :-1]
        spread = (below * (1 - below) * v.diff()).sum(-1)
    else:
        distance = distance % period
        distance = torch.minimum(distance, period - distance)
        # From s = v_0 on: v_i leaves the half circle [s, s + period / 2) behind v_i, and enters half a turn before.
        offset = v - v[0]
        places, order = torch.cat([offset, (offset + period / 2) % period]).sort()
        steps = torch.cat([-p, p], dim=-1)[:, order]
        at_start = (p * (offset < period / 2)).sum(-1, keepdim=True)
        inside = at_start + steps.cumsum(-1)
        lengths = torch.cat([places[1:], places.new_tensor([period])]) - places
        spread = (inside * (1 - inside) * lengths).sum(-1) / 2
    return ((p * distance).sum(-1) - spread).clamp(min=0.0)  # rounding must not make it negative


def negative_log_likelihood(log_probabilities: Tensor, tokens: Tensor, widths: Tensor) -> Tensor:
    """Return ``-log(p_k / w_k)``, (N,), in nats: the density at the truth, per unit of the values.

    Args:
        log_probabilities: (N, V).
        tokens: (N,), the bin k that each truth lies in.
        widths: (V,), of the bins.
    """
    at_truth = log_probabilities.double().gather(-1, tokens[:, None]).squeeze(-1)
    return widths.double().log()[tokens] - at_truth


def coverage(probabilities: Tensor, tokens: Tensor, share: float, center: Tensor | None = None) -> Tensor:
    """Return whether each truth lies inside of the central interval that holds this share of the mass, (N,).

    The interval ends within bins, and of the bin of the truth no more is known than its mass: the answer is the part of
    that mass that is inside, 0 or 1 but for bins at the ends. So the mean is `share` of a policy that is right about
    the probabilities of its tokens, however few they are: the non-randomized probability integral transform of
    Czado, Gneiting & Held 2009.

    Args:
        probabilities: (N, V).
        tokens: (N,), the bin that each truth lies in.
        share: Between 0 and 1.
        center: (N,), on a circle the bin in the middle of each distribution: the circle is cut opposite of it, by
            tokens. None on a line.
    """
    p, k = probabilities.double(), tokens
    if center is not None:
        count = p.shape[-1]
        start = (center + count // 2) % count
        p = p.gather(-1, (start[:, None] + torch.arange(count, device=p.device)) % count)
        k = (tokens - start) % count
    mass = p.gather(-1, k[:, None]).squeeze(-1)
    above = p.cumsum(-1).gather(-1, k[:, None]).squeeze(-1)
    low, high = (1 - share) / 2, (1 + share) / 2
    inside = (above.clamp(max=high) - (above - mass).clamp(min=low)).clamp(min=0.0)
    is_there = ((above >= low) & (above <= high)).double()  # of a bin without mass
    return torch.where(mass > 1e-12, inside / mass.clamp(min=1e-12), is_there).clamp(max=1.0)


def circular_mean(probabilities: Tensor, values: Tensor, period: float) -> Tensor:
    """Return the angle of the expected point on a circle, (N,), between ``values[0]`` and a period beyond.

    Args:
        probabilities: (N, V).
        values: (V,).
        period: The length of the circle.
    """
    p, angle = probabilities.double(), 2 * torch.pi * (values.double() - values[0].double()) / period
    mean = torch.atan2((p * angle.sin()).sum(-1), (p * angle.cos()).sum(-1))
    return values[0].double() + torch.remainder(mean, 2 * torch.pi) / (2 * torch.pi) * period


def standard_deviation(values: Tensor, period: float | None = None) -> float:
    """Return the standard deviation of values (N,); on a circle of arcs from their circular mean."""
    v = values.double()
    if period is None:
        return float(v.std(correction=0))
    angle = 2 * torch.pi * v / period
    mean = torch.atan2(angle.sin().mean(), angle.cos().mean())
    away = torch.remainder(angle - mean + torch.pi, 2 * torch.pi) - torch.pi
    return float(away.square().mean().sqrt()) * period / (2 * torch.pi)
