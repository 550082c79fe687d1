"""A policy over tokens that is paid by distance: its optimum, and ways to learn it.

The reward of token v where x is true is ``-d(v, x)``, the objective ``J(p) = E_p[-d] + tau H(p)``, its optimum
``p_d = softmax(-d / tau)`` with ``J(p_d) - J(p) = tau KL(p || p_d)``. V tokens, B examples.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.circular import CircularDistance
from dist2_robot.distances.euclidean import EuclideanDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.random import RandomDistance
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.distances.table import DistanceTable
from dist2_robot.losses.cross_entropy import CrossEntropyLoss
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.output import LossOutput, TokenLoss, log_probabilities
from dist2_robot.losses.reinforce import ReinforceLoss

V = 32
INPUTS, WIDTH = 4, 64
HELD_OUT = 4000
CODE_DIMENSIONS = 16
ASCENT_RATE = 1.0  # with .05 far-off logits, whose gradient is nearly 0, still hold 10 % of the mass after 3000 steps
METRICS = ("squared", "absolute", "circular", "euclidean_codes", "random")


class ExpectedReward(nn.Module):
    """``E_p[d(v, x)] - tau H(p)``: policy gradient with every token tried, so without noise.

    Args:
        distances: Of tokens, one table.
        tau: Weight of the entropy.
    """

    def __init__(self, distances: Tensor, tau: float) -> None:
        super().__init__()
        self.distances, self.tau = distances, tau

    def forward(self, logits: Tensor, targets: Tensor) -> LossOutput:
        log_p = log_probabilities(logits)
        cost = (log_p.exp() * (self.distances[targets] + self.tau * log_p)).sum(-1)
        return LossOutput(cost.mean())


def metric(name: str, seed: int) -> Tensor:
    """Return distances (V, V), float64, of one of `METRICS`; codes and permutations are drawn from the seed."""
    line = TokenPoints.of_values(torch.arange(float(V)))
    distances: DistanceTable
    match name:
        case "squared":
            distances = line.distances(SquaredDistance())
        case "absolute":
            distances = line.distances(AbsoluteDistance())
        case "circular":
            distances = TokenPoints.of_values(torch.arange(float(V)), period=float(V)).distances(CircularDistance())
        case "random":
            distances = line.distances(RandomDistance(seed))
        case "euclidean_codes":
            codes = torch.randn(V, CODE_DIMENSIONS, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
            distances = TokenPoints(codes[None], torch.zeros(1).long()).distances(EuclideanDistance())
        case _:
            raise ValueError(f"no metric '{name}': {', '.join(METRICS)}")
    return distances.distances[0].double()


def climb(rewards: Tensor, tau: float, updates: int, seed: int) -> Tensor:
    """Return the policies (B, V) that gradient ascent of ``E_p[R] + tau H(p)`` on free logits ends at.

    Args:
        rewards: (B, V).
        tau: Weight of the entropy.
        updates: Steps of Adam, whose rate falls to 0.
        seed: Of the logits that it begins with.
    """
    logits = torch.randn(rewards.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    logits.requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=ASCENT_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=updates)
    for _ in range(updates):
        optimizer.zero_grad()
        log_p = torch.log_softmax(logits, -1)
        (-(log_p.exp() * (rewards - tau * log_p)).sum()).backward()
        optimizer.step()
        schedule.step()
    return torch.softmax(logits.detach(), -1)


def distance_of_optimum(settings: Mapping[str, Any], updates: int, seed: int) -> dict[str, float]:
    """Return how far what ascent finds is from what DIST2Loss asks for: the largest total variation of all truths.

    With ``truths=2`` every input has two truths, half of V apart, equally often: the reward then is their average, and
    the optimum of DIST2Loss the mixture of two targets.
    """
    distances = metric(settings["metric"], seed)
    tau = float(settings["tau"])
    rewards, target = -distances, torch.softmax(-distances / tau, -1)
    if settings["truths"] == 2:
        rewards, target = (rewards + rewards.roll(V // 2, 0)) / 2, (target + target.roll(V // 2, 0)) / 2
    found = climb(rewards, tau, updates, seed)
    return {"total_variation": float((found - target).abs().sum(-1).max() / 2)}


def learn(settings: Mapping[str, Any], updates: int, seed: int) -> dict[str, float]:
    """Train a small network on fresh examples of a smooth function, and measure its policy on held-out ones.

    All methods of a seed get the same weights to begin with and the same examples.
    """
    generator = torch.Generator().manual_seed(seed)
    distances, tau = metric("squared", seed), float(settings["tau"])
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Linear(INPUTS, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, V)
    )
    loss = _loss(settings, distances.float(), tau)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings["learning_rate"])
    slope = torch.randn(2, INPUTS, generator=generator)
    for _ in range(updates):
        seen, truth = _examples(slope, settings["batch_size"], generator)
        optimizer.zero_grad()
        loss(network(seen)[:, None], truth[:, None]).loss.backward()
        optimizer.step()
    seen, truth = _examples(slope, HELD_OUT, torch.Generator().manual_seed(seed + 1_000_003))
    with torch.no_grad():
        log_p = torch.log_softmax(network(seen).double(), -1)
    p, cost = log_p.exp(), distances[truth]
    shortfall = tau * (p * (log_p - torch.log_softmax(-cost / tau, -1))).sum(-1)
    return {
        "regret": float(shortfall.mean()),
        "expected_distance": float((p * cost).sum(-1).mean()),
        "error": float((log_p.argmax(-1) - truth).abs().double().mean()),
    }


def _loss(settings: Mapping[str, Any], table: Tensor, tau: float) -> TokenLoss:
    distances = DistanceTable(table[None], torch.zeros(1).long(), power=2.0)
    match settings["loss"]:
        case "dist2":
            return Dist2Loss(distances, tau, alpha=1.0, ce_weight=settings["ce_weight"])
        case "reinforce":
            baseline = "leave_one_out" if settings["samples"] > 1 else "mean"
            return ReinforceLoss(distances, tau, samples=settings["samples"], baseline=baseline)
        case "expected_reward":
            return ExpectedReward(table, tau)
    return CrossEntropyLoss()


def _examples(slope: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return inputs (B, INPUTS) and their true tokens (B,): a bin of the sine of one projection plus another's."""
    seen = torch.randn(count, INPUTS, generator=generator)
    value = torch.sin(seen @ slope[0] / 2) + 0.5 * torch.tanh(seen @ slope[1])  # in (-1.5, 1.5)
    return seen, ((value + 1.5) / 3 * V).long().clamp(0, V - 1)
