"""How sure a success rate is."""


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a success rate; without any trial it is the whole of (0, 1).

    Unlike p ± 1.96 s it stays inside (0, 1) and keeps a width at 0 of n and n of n.
    """
    if n == 0:
        return 0.0, 1.0
    from scipy.stats import binomtest

    interval = binomtest(successes, n).proportion_ci(confidence_level=confidence, method="wilson")
    return float(interval.low), float(interval.high)
