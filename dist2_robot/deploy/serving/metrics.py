"""What a policy server counts, as text for Prometheus."""

from bisect import bisect_left
from collections import Counter

BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_ABOUT = {
    "requests": "Requests for a chunk.",
    "drops": "Requests that a newer one of the same client overtook.",
    "errors": "Requests that the policy failed on.",
    "refused_requests": "Requests of a wrong shape, or with numbers that are not finite.",
    "refused_connections": "Connections without the right token, beyond the limit, or that broke the protocol.",
    "connections": "Connections that were let in.",
    "bytes_in": "Bytes of messages received.",
    "bytes_out": "Bytes of messages sent.",
}


class Metrics:
    """Counters, and a histogram of the time that inference takes."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._sum_s = 0.0

    def add(self, name: str, count: int = 1) -> None:
        """Count. The name must be one of those that are described."""
        assert name in _ABOUT, name
        self.counts[name] += count

    def observe(self, seconds: float) -> None:
        """Take note of one inference."""
        self._buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self._sum_s += seconds

    def text(self) -> str:
        """Return all of it in Prometheus' text format."""
        lines = []
        for name, about in _ABOUT.items():
            full = f"dist2_policy_{name}_total"
            lines += [f"# HELP {full} {about}", f"# TYPE {full} counter", f"{full} {self.counts[name]}"]
        full = "dist2_policy_inference_seconds"
        lines += [f"# HELP {full} Time of one inference.", f"# TYPE {full} histogram"]
        total = 0
        for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), self._buckets, strict=True):
            total += count
            lines.append(f'{full}_bucket{{le="{bound}"}} {total}')
        lines += [f"{full}_sum {self._sum_s:.6f}", f"{full}_count {total}"]
        return "\n".join(lines) + "\n"
