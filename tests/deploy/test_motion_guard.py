"""Laws of the motion guard: all limits hold at every tick, whatever is asked, and rest is always within 0.2 s."""

import numpy as np
import pytest

from dist2_robot.deploy.limits import MotionLimits
from dist2_robot.deploy.loop.motion_guard import BRAKE_S, MotionGuard
from dist2_robot.errors import InputError

LOW = np.array([-110.0, -1.9, 0.0])
HIGH = np.array([110.0, 1.9, 100.0])
VELOCITY = np.array([180.0, 2.0, 300.0])
EASY = MotionLimits.of_velocity(LOW, HIGH, VELOCITY)
WEAK_BRAKES = MotionLimits(LOW, HIGH, VELOCITY, 3 * VELOCITY, 60 * VELOCITY)


def shares(targets: list[np.ndarray], limits: MotionLimits, rate_hz: float) -> list[float]:
    """Return the largest velocity, acceleration and jerk of targets, in shares of their limits."""
    x = np.array(targets)
    most = []
    for limit in (limits.velocity, limits.acceleration, limits.jerk):
        x = np.diff(x, axis=0) * rate_hz
        most.append(float((np.abs(x) / limit).max()))
    return most


@pytest.mark.fault("D3")
@pytest.mark.parametrize("limits", [EASY, WEAK_BRAKES], ids=["easy", "weak_brakes"])
@pytest.mark.parametrize("rate_hz", [20, 30, 50])
def test_no_limit_is_passed_whatever_is_asked(limits: MotionLimits, rate_hz: int) -> None:
    rng = np.random.default_rng(rate_hz)
    guard = MotionGuard(limits, 1 / rate_hz)
    start = rng.uniform(LOW, HIGH)
    guard.begin(start)
    targets = [start] * 4
    for tick in range(2000):
        if tick % 3 == 0:  # now and then the same place for long, the ends of the range among them
            wanted = rng.choice([LOW, HIGH, rng.uniform(LOW - 50, HIGH + 50)])
        targets.append(guard.step(wanted, rng.normal(0, 2, 3) * VELOCITY))
        if rng.random() < 0.02:
            targets.extend(guard.brake() for _ in range(rng.integers(1, 12)))
    assert max(shares(targets, limits, rate_hz)) <= 1 + 1e-9
    assert (np.array(targets) >= LOW).all()
    assert (np.array(targets) <= HIGH).all()
    assert np.abs(np.diff(targets, axis=0)).max() > 0.5 * VELOCITY.min() / rate_hz  # it did move


@pytest.mark.fault("D11")
@pytest.mark.parametrize("rate_hz", [20, 30, 50])
def test_it_rests_within_the_braking_time_from_any_motion(rate_hz: int) -> None:
    rng = np.random.default_rng(0)
    guard = MotionGuard(EASY, 1 / rate_hz)
    for _ in range(200):
        guard.begin(rng.uniform(LOW, HIGH))
        wanted = rng.uniform(LOW, HIGH)
        for _ in range(rng.integers(1, 30)):
            guard.step(wanted, np.zeros(3))
        for _ in range(round(BRAKE_S * rate_hz)):
            place = guard.brake()
        assert guard.is_at_rest
        assert (guard.brake() == place).all()


def test_what_moves_inside_the_limits_is_followed_exactly() -> None:
    rate_hz, phase = 30, np.array([0.0, 1.0, 2.0])
    guard = MotionGuard(EASY, 1 / rate_hz)
    middle, swing = (LOW + HIGH) / 2, (HIGH - LOW) / 8

    def reference(t: float) -> tuple[np.ndarray, np.ndarray]:
        return middle + swing * np.sin(2 * t + phase), 2 * swing * np.cos(2 * t + phase)

    guard.begin(reference(0)[0])
    errors = [np.abs(guard.step(*reference(t)) - reference(t)[0]).max() for t in np.arange(1, 300) / rate_hz]
    assert max(errors[10:]) < 1e-9


@pytest.mark.parametrize("rate_hz", [20, 30, 50])
def test_a_far_target_is_reached_with_hardly_any_overshoot(rate_hz: int) -> None:
    guard = MotionGuard(EASY, 1 / rate_hz)
    start, goal = LOW + 0.1 * (HIGH - LOW), LOW + 0.8 * (HIGH - LOW)
    guard.begin(start)
    way = np.array([guard.step(goal, np.zeros(3)) for _ in range(3 * rate_hz)])
    assert (way <= goal + 0.01 * (HIGH - LOW)).all()
    assert np.abs(way[-1] - goal).max() < 1e-3
    fastest = np.abs(np.diff(way, axis=0)).max(axis=0) * rate_hz
    assert (fastest > 0.7 * VELOCITY).all()


def test_joints_do_not_wait_for_each_other() -> None:
    alone, both = MotionGuard(EASY, 1 / 30), MotionGuard(EASY, 1 / 30)
    for guard, goal in ((alone, np.array([5.0, 0, 50])), (both, np.array([5.0, 1.5, 0]))):
        guard.begin(np.array([0.0, 0, 50]))
        path = [guard.step(goal, np.zeros(3))[0] for _ in range(20)]
    assert path[-1] == pytest.approx(5.0)
    assert alone.position[0] == both.position[0]


def test_a_robot_outside_its_limits_is_not_taken_over() -> None:
    guard = MotionGuard(EASY, 1 / 30)
    with pytest.raises(InputError, match="outside its limits"):
        guard.begin(HIGH + 1)
    with pytest.raises(InputError, match="outside its limits"):
        guard.begin(np.array([0.0, np.nan, 0.0]))


def test_a_loop_too_slow_to_brake_is_refused() -> None:
    with pytest.raises(InputError, match="rate_hz"):
        MotionGuard(EASY, 1 / 10)


@pytest.mark.parametrize("wrong", [{"velocity": np.zeros(3)}, {"low": HIGH}, {"jerk": np.ones(2)}])
def test_impossible_limits_are_refused(wrong: dict[str, np.ndarray]) -> None:
    given = {"low": LOW, "high": HIGH, "velocity": VELOCITY, "acceleration": VELOCITY, "jerk": VELOCITY}
    with pytest.raises(InputError, match="motion limits"):
        MotionLimits(**{**given, **wrong})
