"""What is wanted over time: continuous, whatever the rates, and exactly the chunk where chunks agree."""

import numpy as np
import pytest

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.deploy.loop.timeline import Timeline


def spec_of(rate_hz: float) -> ActionSpec:
    return ActionSpec(
        (
            ActionDimension("joint", "joint", "deg", -1000.0, 1000.0, tolerance=1.0),
            ActionDimension("turn", "joint", "deg", -180.0, 180.0, tolerance=1.0, wraps=True),
        ),
        "absolute",
        rate_hz,
        source="test",
    )


def short_way(x: np.ndarray) -> np.ndarray:
    """Return differences (..., 2) of which the second is of angles."""
    return np.stack([x[..., 0], (x[..., 1] + 180) % 360 - 180], axis=-1)


def test_a_blend_begins_from_the_one_before_it() -> None:
    timeline = Timeline(spec_of(50.0), blend_s=0.1)  # 4 steps of 0.02 s: the next chunk comes after 0.08 s
    for start_s, value in ((0.0, 0.0), (0.08, 20.0), (0.16, 20.0)):
        before = timeline.at(start_s)
        timeline.put(np.full((16, 2), value, np.float32), start_s, start_s)
        after = timeline.at(start_s)
        assert after is not None
        if before is not None:
            assert after == pytest.approx(before)
    path = np.array([timeline.at(t) for t in np.arange(0.16, 0.27, 0.01)])
    assert path[0] == pytest.approx([16.0, 16.0])
    assert (np.diff(path, axis=0) >= -1e-9).all()
    assert path[3] == pytest.approx([20.0, 20.0])  # the first blend would have ended here too: both chunks agree


@pytest.mark.parametrize("seed", range(40))
def test_what_is_wanted_never_steps_by_more_than_the_chunks_and_their_blends_explain(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rate_hz, tick_s = rng.choice([10.0, 30.0, 50.0, 200.0]), 1 / rng.choice([30.0, 50.0, 130.0, 500.0])
    horizon, slope = int(rng.integers(2, 40)), 1.0  # deg a step
    blend_s = float(rng.choice([0.02, 0.1, 0.3, 1.0]))
    timeline = Timeline(spec_of(rate_hz), blend_s)
    places = rng.uniform(-15, 15, (200, 1, 2))
    now_s, last, live, values = 0.0, None, [], list[np.ndarray]()
    for k in range(120):
        if not live or rng.random() < 0.3:
            late_s = rng.uniform(0, 0.5) * horizon / rate_hz
            walk = places[k] + np.cumsum(rng.uniform(-slope, slope, (horizon, 2)), axis=0)
            walk[:, 1] = walk[:, 1] % 360 - 180  # around the seam
            before = timeline.at(now_s)
            timeline.put(walk.astype(np.float32), now_s - late_s, now_s)
            if before is None:
                live, last = [], None
            else:
                assert short_way(timeline.at(now_s) - before) == pytest.approx([0.0, 0.0], abs=1e-6)
            live = [t for t in live if now_s - t < blend_s] + [now_s]
        now_s += tick_s
        wanted = timeline.at(now_s)
        if wanted is None:
            live, last = [], None
            continue
        if last is not None:
            own = slope * max(1.0, rate_hz * tick_s)
            spread = 2 * 15 + 2 * slope * horizon
            assert np.abs(short_way(wanted - last)).max() <= own + len(live) * spread * tick_s / blend_s + 1e-6
        last = wanted
        values.append(wanted)
    assert len(values) > 20


@pytest.mark.parametrize("rate_hz", [10.0, 30.0, 50.0])
@pytest.mark.parametrize("blend_s", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("steps", [1, 3, 4])
def test_where_chunks_agree_exactly_the_chunk_is_wanted(rate_hz: float, blend_s: float, steps: int) -> None:
    timeline = Timeline(spec_of(rate_hz), blend_s)
    path = np.stack([np.linspace(-80, 80, 200), 20 * np.sin(np.arange(200))], axis=-1)
    for k in range(0, 150, steps):
        start_s = k / rate_hz
        timeline.put(path[k : k + 16], start_s, start_s)
        for part in (0.0, 0.3, 0.9):
            place = k + steps * part
            low = int(place)
            wanted = path[low] + (place - low) * (path[low + 1] - path[low])
            assert timeline.at(place / rate_hz) == pytest.approx(wanted, abs=1e-9)


def test_chunks_that_are_no_longer_blended_are_forgotten() -> None:
    timeline = Timeline(spec_of(50.0), blend_s=0.1)
    for k in range(100):
        timeline.put(np.zeros((16, 2), np.float32), 0.02 * k, 0.02 * k)
    assert len(timeline._changes) <= 6
