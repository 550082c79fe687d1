"""Draw docs/images/derivation.png: the variance of sampled gradients, and what each loss makes of two truths."""

from pathlib import Path

import matplotlib
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch import Tensor, nn

from dist2_robot.distances.absolute import AbsoluteDistance
from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.evaluation.style import INK, MUTED, STYLE, series_color, series_marker
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.losses.energy import EnergyLoss
from dist2_robot.losses.reinforce import ReinforceLoss

V, TAU = 41, 8.0
POINTS = TokenPoints.of_values(torch.arange(float(V)))
SQUARED = POINTS.distances(SquaredDistance())
TRUTHS = (10, 30)
OUTPUT = Path(__file__).parents[2] / "docs" / "images" / "derivation.png"


def gradient_variance(loss: nn.Module, repeats: int = 2000) -> float:
    """Return the summed variance over the logits of the gradient at the optimum of one truth."""
    optimum = (-SQUARED.distances[0, 20] / TAU).expand(repeats, 1, V).clone().requires_grad_()
    (loss(optimum, torch.full((repeats, 1), 20)).loss * repeats).backward()
    assert optimum.grad is not None
    return float(optimum.grad.var(dim=0).sum())


def learned(loss: nn.Module, steps: int = 6000) -> Tensor:
    """Return the distribution (V,) that descent on free logits ends at, with two truths in turn for one input."""
    logits = torch.zeros(V, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    truths = torch.tensor(TRUTHS)[:, None]
    for _ in range(steps):
        optimizer.zero_grad()
        loss(logits.expand(2, 1, V), truths).loss.backward()
        optimizer.step()
        schedule.step()
    return torch.softmax(logits.detach(), -1)


def main() -> None:
    """Run both experiments and draw them."""
    torch.manual_seed(0)
    dist2 = Dist2Loss(SQUARED, TAU, alpha=1.0, ce_weight=0.0)
    counts = [2, 4, 8, 16, 32, 64]
    sampled = [gradient_variance(ReinforceLoss(SQUARED, TAU, samples=n)) / TAU**2 for n in counts]
    exact = gradient_variance(dist2)
    two = {
        "DIST2Loss: both": learned(dist2),
        "policy gradient: their mean": learned(ReinforceLoss(SQUARED, TAU, samples=32)),
        "energy score: exactly both": learned(EnergyLoss(POINTS.distances(AbsoluteDistance()))),
    }
    with matplotlib.rc_context({**STYLE, "text.parse_math": True}):
        figure = Figure(figsize=(9, 3.1))
        left, right = figure.subplots(1, 2)
        left.loglog(counts, sampled, marker="o", color=series_color(1))
        left.xaxis.set_minor_locator(NullLocator())
        left.set_xticks(counts, [str(n) for n in counts])
        left.set_title("variance of the gradient at the optimum")
        left.set_xlabel("tokens drawn for each position")
        left.text(counts[0], sampled[-1] * 0.8, f"DIST2Loss: {exact:.0f}, without drawing any", color=INK, va="bottom")
        left.text(counts[3], sampled[2], "policy gradient", color=series_color(1))
        for i, (name, p) in enumerate(two.items()):
            right.plot(p.numpy(), color=series_color(i), marker=series_marker(i), markersize=3, label=name)
        for x in TRUTHS:
            right.axvline(x, color=MUTED, linewidth=0.8, linestyle=":")
        right.set_ylim(0, 0.75)
        right.set_title("learned from two truths (dotted)")
        right.set_xlabel("token")
        right.legend(loc="upper left")
        OUTPUT.parent.mkdir(exist_ok=True)
        figure.savefig(OUTPUT, dpi=130)
    print(f"gradient variance {dict(zip(counts, (round(v, 4) for v in sampled), strict=True))}, DIST2Loss {exact:.1g}")
    print(f"wrote {OUTPUT}")


if __name__ == "__main__":
    main()
