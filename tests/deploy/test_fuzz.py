"""Random chunks, most of them wrong: nothing that is not finite or outside a limit may ever be sent (D3)."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dist2_robot.deploy.link import TimedChunk
from dist2_robot.deploy.loop.machine import State
from tests.deploy.rigs import Rig, limits_kept


@dataclass(frozen=True)
class Fuzzed:
    """Attributes:
    chunks: Handed to the loop.
    sent: Commands that the robot got.
    stops: Latched faults, after each of which a person re-armed it.
    share: Largest share of a limit that the commands of any armed stretch reached; infinite outside a range.
    """

    chunks: int
    sent: int
    stops: int
    share: float


class Vandal:
    """Answers each request with several chunks, wrong in many ways, in any order, some of them later."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.count = 0
        self._held: list[TimedChunk] = []

    def __call__(self, chunk: TimedChunk) -> list[TimedChunk]:
        made = [self._spoilt(chunk) for _ in range(self.rng.integers(3, 9))]
        made += [chunk] * (self.rng.random() < 0.5)
        late = self.rng.random(len(made)) < 0.2
        now = [c for c, is_late in zip(made, late, strict=True) if not is_late] + self._held
        self._held = [c for c, is_late in zip(made, late, strict=True) if is_late]
        self.rng.shuffle(now)  # type: ignore[arg-type]
        self.count += len(now)
        return now

    def _spoilt(self, chunk: TimedChunk) -> TimedChunk:
        rng, x = self.rng, chunk.actions.copy()
        kind = rng.choice(
            ["bit", "finite", "range", "jump", "short", "wide", "dtype", "old", "future", "moment", "noise"],
            p=[0.02, 0.02, 0.1, 0.16, 0.1, 0.1, 0.05, 0.15, 0.1, 0.1, 0.1],
        )
        if kind == "bit":  # any bit pattern may come out of a broken memory
            x = rng.integers(0, 2**32, x.shape, dtype=np.uint32).view(np.float32)
        elif kind == "finite":
            x[rng.integers(len(x)), rng.integers(x.shape[1])] = rng.choice([np.nan, np.inf, -np.inf])
        elif kind == "range":
            with np.errstate(over="ignore"):
                x *= np.float32(10.0 ** rng.uniform(0, 38))
        elif kind == "jump":
            x = rng.uniform([-101, -101, -2], [101, 101, 102], x.shape).astype(np.float32)
        elif kind == "short":
            x = x[: rng.integers(0, len(x))]
        elif kind == "wide":
            x = np.concatenate([x, x], axis=1)
        elif kind == "dtype":
            x = x.astype([np.int64, np.float16, np.complex64][rng.integers(3)])
        elif kind == "noise":
            x += rng.normal(0, 20, x.shape).astype(np.float32)
        shift = {"old": -rng.integers(1, 5), "future": rng.integers(1, 5)}.get(kind, 0)
        moment = rng.normal() if kind == "moment" else 0.0
        return replace(chunk, actions=x, sequence=int(chunk.sequence + shift), observed_s=chunk.observed_s + moment)


def fuzz(chunks: int, seed: int) -> Fuzzed:
    """Hand so many chunks to a loop, re-arming it after each stop, and look at all that it sent."""
    rig = Rig(n_action_steps=1, latency_s=0.04)
    vandal = Vandal(seed)
    rig.link.change = vandal
    shares, stops, first = [0.0], 0, 0
    while vandal.count < chunks:
        if rig.state is State.DISARMED:
            rig.policy.goal = vandal.rng.uniform([-100, -100, 0], [100, 100, 100])
            rig.arm()
        rig.loop.tick()
        if rig.loop.is_over:
            everything, rig.robot.sent = rig.robot.sent, rig.robot.sent[first:]
            shares.append(limits_kept(rig) if rig.robot.sent else 0.0)
            rig.robot.sent, first = everything, len(everything)
            stops += rig.state is State.STOPPED
            if rig.state is State.STOPPED:
                rig.loop.command("rearm")
        rig.ticks.clear()
    return Fuzzed(vandal.count, len(rig.robot.sent), stops, max(shares))


@pytest.mark.fault("D3")
def test_no_bad_command_is_sent_for_some_thousand_random_chunks() -> None:
    found = fuzz(3_000, seed=0)
    assert found.share <= 1 + 1e-6
    assert found.stops > 10
    assert found.sent > 1_000


@pytest.mark.slow
@pytest.mark.fault("D3")
def test_no_bad_command_is_sent_for_a_hundred_thousand_random_chunks() -> None:
    found = fuzz(100_000, seed=1)
    print(f"{found.chunks} chunks, {found.sent} commands, {found.stops} stops, at most {found.share:.9f} of a limit")
    assert found.share <= 1 + 1e-6
    assert found.sent > 10_000
