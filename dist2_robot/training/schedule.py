"""The learning rate of every step."""

import math


def learning_rate(step: int, *, peak: float, warmup_steps: int, steps: int) -> float:
    """Return the rate of step 0, 1, ...: a linear rise to the peak, then a cosine to zero at the last step."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
