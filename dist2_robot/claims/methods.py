"""The losses that every claim on numbers compares, its controls among them, and the sweeps of the published one."""

from collections.abc import Mapping, Sequence
from typing import Any

Loss = Mapping[str, Any]

ALPHA, TAU = "alpha", "tau"  # parts
ALPHA_ABOUT = "dist2_paper with other weights of the distance term; `only`: without the one-hot term."
ALPHAS = (0.03, 0.3, 1.0, 3.0)  # .1 is in the core
REFERENCE = "cross_entropy"
SUBJECTS = ("dist2_paper", "dist2_energy", "dist2")
CONTROLS = ("label_smoothing", "label_smoothing_mass", "random")
ABSOLUTE = {"name": "absolute", "unit": "tolerance"}
PAPER = {"name": "dist2", "tau": 1.0, "alpha": 0.1, "distance": {"name": "squared", "unit": "bins"}}
DIST2 = {"name": "dist2", "tau": 2.0, "alpha": 1.0, "distance": {"name": "squared", "unit": "tolerance"}}
ENERGY = {"name": "energy", "weight": 1.0, "distance": ABSOLUTE}


def usual_methods(paper: Loss) -> dict[str, Loss]:
    """Return the reference, the subjects and the controls.

    Smoothing has the weight (.091) or the mass (.04) that the published setting moves off the truth.

    Args:
        paper: The published setting.
    """
    return {
        "cross_entropy": {"name": "cross_entropy"},
        "dist2_paper": paper,
        "label_smoothing": {"name": "label_smoothing", "epsilon": 0.091},
        "label_smoothing_mass": {"name": "label_smoothing", "epsilon": 0.04},
        "random": {**paper, "distance": {"name": "random", "unit": "bins", "of": "squared"}},
        "dist2_energy": {"name": "sum", "terms": {"dist2": {**DIST2, "weight": 1.0}, "energy": ENERGY}},
        "dist2": DIST2,
    }


def variants(paper: Loss, taus: Sequence[float]) -> list[tuple[str, str, Loss]]:
    """Return part, method and loss of the published setting with other weights and temperatures."""
    found = [(ALPHA, f"alpha={alpha:g}", {**paper, "alpha": alpha}) for alpha in ALPHAS]
    found.append((ALPHA, "only", {**paper, "alpha": 1.0, "ce_weight": 0.0}))
    return [*found, *((TAU, f"tau={tau:g}", {**paper, "tau": tau}) for tau in taus)]


def seeded(loss: Loss, seed: int) -> dict[str, Any]:
    """Return a loss whose random distance, if it has one, is another for each seed."""
    distance = loss.get("distance", {})
    return {**loss, "distance": {**distance, "seed": seed}} if distance.get("name") == "random" else dict(loss)
