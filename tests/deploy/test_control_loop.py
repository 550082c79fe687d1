"""The control loop on a fake robot with a fake clock: what must happen when something fails. Rows D1 to D12 and D17."""

from dataclasses import replace

import numpy as np
import pytest

from dist2_robot.deploy.link import TimedChunk
from dist2_robot.deploy.loop.machine import State
from dist2_robot.types import STATE, ObservationSpec
from tests.deploy.fakes import FakeClock, FakeRobot
from tests.deploy.rigs import Rig, limits_kept


def test_a_policy_moves_the_robot_to_its_goal() -> None:
    rig = Rig().moving(5.0)
    assert np.abs(rig.robot.positions - rig.policy.goal).max() < 1.0
    assert limits_kept(rig) <= 1 + 1e-6
    assert rig.loop.counts.requests > 10
    assert not rig.loop.counts.dropped_chunks


def test_nothing_is_sent_before_a_person_arms() -> None:
    rig = Rig()
    rig.run(1.0)
    assert rig.state is State.DISARMED
    assert not rig.robot.sent
    assert not rig.link.requests


@pytest.mark.fault("D1")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_chunk_that_is_not_finite_stops_for_good(value: float) -> None:
    rig = Rig().moving()

    def spoil(chunk: TimedChunk) -> list[TimedChunk]:
        actions = chunk.actions.copy()
        actions[-1, 1] = value
        return [replace(chunk, actions=actions)]

    rig.link.change = spoil
    rig.run(1.0)
    assert rig.state is State.STOPPED
    assert "not finite" in rig.reason
    assert "lift.pos" in rig.reason
    rig.link.change = lambda chunk: [chunk]
    rig.run(1.0)
    assert rig.state is State.STOPPED
    assert limits_kept(rig) <= 1 + 1e-6


@pytest.mark.fault("D1")
def test_a_state_that_is_not_finite_stops_for_good() -> None:
    rig = Rig().moving()
    rig.robot.positions[0] = np.nan
    rig.run(0.1)
    assert rig.state is State.STOPPED
    assert "not finite" in rig.reason
    assert np.isfinite(rig.sent()).all()


@pytest.mark.fault("D2")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: x[:-1],
        lambda x: np.concatenate([x, x[-1:]]),
        lambda x: x[:, :-1],
        lambda x: x[0],
        lambda x: x.astype(np.int64),
        lambda x: x + 1000,
    ],
    ids=["short", "long", "narrow", "flat", "integers", "out_of_range"],
)
def test_a_chunk_of_another_shape_or_range_is_rejected_whole(spoil) -> None:
    rig = Rig().moving()
    before = len(rig.ticks)
    rig.link.change = lambda chunk: [replace(chunk, actions=spoil(chunk.actions))]
    rig.run(0.3)
    wanted = [t.done.wanted for t in rig.ticks[before:] if t.done.wanted is not None]
    assert any("dropped" in event for event in rig.events)
    assert max(np.abs(w).max() for w in wanted) < 100
    rig.run(2.0)
    assert rig.state is State.STOPPED
    assert "cannot be played" in rig.reason


@pytest.mark.fault("D3")
def test_targets_that_stay_outside_the_limits_stop_the_robot() -> None:
    clock = FakeClock()
    robot = FakeRobot(clock)
    slow = replace(robot.description, limits=replace(robot.description.limits, high=np.array([10.0, 10.0, 100.0])))
    robot._description = slow
    rig = Rig(robot=robot).moving()
    rig.run(4.0)
    assert rig.state is State.STOPPED
    assert "limits kept 'pan.pos'" in rig.reason
    assert rig.loop.counts.limited > 20
    assert limits_kept(rig) <= 1 + 1e-6


@pytest.mark.fault("D3")
def test_a_policy_faster_than_the_robot_is_played_slower_on_the_same_path() -> None:
    rig = Rig()
    rig.policy.step = 12.0  # 360 deg/s, and the robot does 180
    rig.moving(1.0)
    assert rig.state is State.RUNNING
    assert min(t.done.speed for t in rig.ticks) < 0.6
    assert limits_kept(rig) <= 1 + 1e-6
    assert np.abs(rig.robot.positions - rig.policy.goal).max() < 2


@pytest.mark.fault("D4")
def test_a_first_action_far_away_is_refused() -> None:
    rig = Rig()
    rig.policy.step = 200.0
    rig.policy.goal = np.array([90.0, 0.0, 0.0])
    rig.arm()
    rig.run(0.5)
    assert rig.state is State.DISARMED
    assert "'pan.pos' 90, it is at 0" in rig.reason
    assert np.abs(rig.sent()).max() == 0


@pytest.mark.fault("D4")
def test_a_first_action_far_away_is_gone_to_slowly_if_asked() -> None:
    rig = Rig(start="ramp")
    rig.policy.step = 200.0
    rig.policy.goal = np.array([90.0, 0.0, 0.0])
    rig.arm()
    rig.run(4.0)
    assert rig.state is State.RUNNING
    assert abs(rig.robot.positions[0] - 90) < 0.5
    fastest = np.abs(np.diff(rig.sent(), axis=0)).max() * rig.settings.rate_hz
    assert fastest <= rig.settings.ramp_speed * 180 * 1.05
    assert limits_kept(rig) <= 1 + 1e-6


@pytest.mark.fault("D5")
@pytest.mark.parametrize("slowness", [0.1, 0.5, 1.0, 2.0, 5.0, 10.0])
def test_slow_inference_holds_within_200_ms_and_never_jumps(slowness: float) -> None:
    rig = Rig(latency_s=0.05)
    rig.moving(0.4)
    rig.latency_s = 0.1 * slowness  # 16 steps of a chunk last 0.53 s
    rig.run(3.0)
    assert rig.state in (State.RUNNING, State.HOLD)
    assert limits_kept(rig) <= 1 + 1e-6
    assert np.abs(rig.robot.positions - rig.policy.goal).max() < 25
    if slowness >= 10:
        assert any(t.done.state is State.HOLD for t in rig.ticks)


@pytest.mark.fault("D5")
def test_hung_inference_holds_at_the_first_empty_tick_and_the_late_chunk_is_thrown_away() -> None:
    rig = Rig().moving()
    rig.policy.goal = np.array([90.0, 90.0, 90.0])
    rig.latency_s = 1.0
    while rig.state is State.RUNNING:
        rig.run(1 / 30)
    held = len(rig.ticks) - 1
    assert rig.ticks[held - 1].done.wanted is not None
    rig.run(0.5)
    assert rig.state is State.HOLD
    assert rig.seconds_to_rest(held) <= 0.2 + 1e-9
    rig.run(0.5)
    assert any("no longer wanted" in event for event in rig.events)
    rig.latency_s = 60.0
    rig.run(4.0)
    assert rig.state is State.STOPPED
    assert "no way to go on" in rig.reason


@pytest.mark.fault("D6")
def test_duplicate_old_future_and_reordered_chunks_are_dropped() -> None:
    rig = Rig(latency_s=0.1)
    kept: list[TimedChunk] = []

    def meddle(chunk: TimedChunk) -> list[TimedChunk]:
        kept.append(chunk)
        wrong_time = replace(chunk, observed_s=chunk.observed_s + 0.01, actions=chunk.actions + 5)
        future = replace(chunk, sequence=chunk.sequence + 1000, actions=chunk.actions + 5)
        old = [replace(c, actions=c.actions - 5) for c in kept[:-1][-2:]]
        return [future, wrong_time, *old, chunk, replace(chunk, actions=chunk.actions + 5)]

    rig.link.change = meddle
    twin = Rig(latency_s=0.1)
    for one in (rig, twin):
        one.moving(2.0)
    assert rig.loop.counts.dropped_chunks > 20
    assert (rig.sent() == twin.sent()).all()


@pytest.mark.fault("D7")
def test_a_stale_state_stops_the_robot() -> None:
    rig = Rig().moving()
    rig.robot.is_stale = True
    rig.run(0.3)
    assert rig.state is State.STOPPED
    assert "s old" in rig.reason


@pytest.mark.fault("D7")
@pytest.mark.parametrize("kind", ["age", "content"])
def test_a_frozen_camera_stops_the_robot(kind: str) -> None:
    clock = FakeClock()
    robot = FakeRobot(clock, picture_size=(14, 14))
    rig = Rig(robot=robot)
    rig.policy.goal = np.array([95.0, 95.0, 95.0])
    rig.policy.step = 1.0
    rig.moving()
    if kind == "age":
        robot.is_frozen = True
    else:  # the time stamps go on, the picture stays
        read = robot.read

        def same_picture():
            reading = read()
            black = {name: np.zeros_like(x) if x.ndim == 3 else x for name, x in reading.features.items()}
            return replace(reading, features=black)

        robot.read = same_picture  # type: ignore[method-assign]
    rig.run(1.5)
    assert rig.state is State.STOPPED
    assert "observation.images.front" in rig.reason


@pytest.mark.fault("D7")
def test_positions_that_do_not_change_while_it_moves_stop_the_robot() -> None:
    rig = Rig()
    rig.policy.goal = np.array([95.0, 95.0, 95.0])
    rig.policy.step = 1.0
    rig.moving()
    read, stuck = rig.robot.read, rig.robot.positions.copy()
    rig.robot.read = lambda: replace(read(), positions=stuck)  # type: ignore[method-assign]
    rig.run(1.5)
    assert rig.state is State.STOPPED
    assert "positions have been the same" in rig.reason


@pytest.mark.fault("D7")
def test_the_wall_clock_is_never_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    def forbidden(*_: object) -> float:
        raise AssertionError("wall clock")

    monkeypatch.setattr(time, "time", forbidden)
    Rig().moving(1.0)


@pytest.mark.fault("D8")
def test_a_policy_process_that_is_gone_stops_the_robot_at_once() -> None:
    rig = Rig().moving()
    gone = len(rig.ticks)
    rig.link.error = "the policy process was killed (SIGKILL)"
    rig.run(1.0)
    assert rig.ticks[gone].done.state is State.STOPPED
    assert "SIGKILL" in rig.reason
    assert rig.seconds_to_rest(gone) <= 0.2 + 1e-9
    assert limits_kept(rig) <= 1 + 1e-6


@pytest.mark.fault("D10")
@pytest.mark.parametrize("method", ["send", "read"])
def test_a_robot_that_fails_is_stopped_once_and_left_alone(method: str) -> None:
    rig = Rig().moving()
    rig.robot.failing.add(method)
    sends = rig.robot.calls.count("send")
    rig.run(1.0)
    assert rig.state is State.STOPPED
    assert method in rig.reason or "reading" in rig.reason or "sending" in rig.reason
    assert len(rig.robot.stopped) == 1
    assert rig.robot.calls.count("send") <= sends + (method == "send")


@pytest.mark.fault("D11")
@pytest.mark.parametrize("reason", ["SIGINT", "SIGTERM", "emergency stop"])
def test_a_stop_during_inference_brakes_within_200_ms_and_stays(reason: str) -> None:
    rig = Rig(latency_s=0.2)
    rig.policy.goal = np.array([90.0, 90.0, 90.0])
    rig.policy.step = 5.0
    rig.moving(0.6)
    assert rig.loop.controller.guard.speed.max() > 0.5
    assert rig.loop.controller._questions.open is not None or rig.link.requests
    rig.loop.stop(reason)
    first = len(rig.ticks)
    rig.run(2.0)
    assert rig.ticks[first].done.state is State.STOPPED
    assert all(t.done.wanted is None for t in rig.ticks[first:])
    assert rig.seconds_to_rest(first) <= 0.2 + 1e-9
    assert rig.state is State.STOPPED
    assert rig.reason == reason
    assert limits_kept(rig) <= 1 + 1e-6
    rig.loop.command("rearm")  # a person
    rig.arm()
    rig.run(1.0)
    assert rig.state is State.RUNNING


@pytest.mark.fault("D12")
@pytest.mark.parametrize("blend_s", [0.0, 0.1])
def test_a_jump_between_chunks_is_bounded_and_what_was_played_stays(blend_s: float) -> None:
    rig = Rig(blend_s=blend_s)
    rig.policy.step = 0.5
    rig.moving()
    sign = iter([1, -1] * 1000)
    rig.link.change = lambda chunk: [replace(chunk, actions=chunk.actions + 8 * next(sign))]
    rig.run(3.0)
    jumps = [t.done.jump for t in rig.ticks if t.done.jump is not None]
    assert max(jumps) > 0.05
    assert limits_kept(rig) <= 1 + 1e-6
    assert rig.state is State.RUNNING or (blend_s == 0 and "limits kept" in rig.reason)


@pytest.mark.fault("D17")
@pytest.mark.parametrize("rate_hz", [30.0, 50.0])
def test_deadlines_do_not_drift(rate_hz: float) -> None:
    clock = FakeClock()
    rig = Rig(robot=FakeRobot(clock), rate_hz=rate_hz)
    clock.late_s = 0.004  # each sleep is too long
    rig.arm()
    begin_s = clock.now()
    rig.run(30.0)
    assert abs(clock.now() - begin_s - 30) < 1 / rate_hz + 0.01
    assert rig.loop.counts.skipped == 0


@pytest.mark.fault("D17")
def test_ticks_that_would_be_late_are_left_out_and_never_made_up_for() -> None:
    rig = Rig().moving()
    rig.clock.advance(0.5)
    times = [rig.loop.tick().seen.now_s for _ in range(4)]
    assert rig.loop.counts.skipped in (13, 14, 15)
    assert np.diff(times) == pytest.approx(1 / 30, abs=0.034)
    assert min(np.diff(times)[1:]) > 0.9 / 30
    rig.run(0.5)
    assert rig.state is State.RUNNING


def test_a_history_is_shown_at_the_period_of_the_policy() -> None:
    rig = Rig(rate_hz=60.0, observation=ObservationSpec({STATE: 3}, history=3)).moving(1.0)
    shown = [request.features[STATE] for request in rig.link.requests]
    assert {x.shape for x in shown} == {(3, 3)}
    assert (shown[0] == shown[0][0]).all()  # nothing was before
    at = {t.seen.now_s: t.seen.reading.features[STATE] for t in rig.ticks if t.seen.reading is not None}
    times = np.array(list(at))
    last = rig.link.requests[-1]
    for k, x in enumerate(shown[-1]):
        wanted_s = last.observed_s - (2 - k) / 30
        assert (x == at[times[np.abs(times - wanted_s).argmin()]]).all()


def test_what_is_committed_is_told_to_the_policy_and_is_what_is_played() -> None:
    rig = Rig(latency_s=0.1, max_prefix=6).moving(1.0)
    prefixes = [request.prefix for request in rig.link.requests]
    assert len(prefixes[0]) == 0
    assert {len(prefix) for prefix in prefixes[3:]} <= {3, 4}  # 0.1 s at 30 Hz, and what is left of a tick
    jumps = [t.done.jump for t in rig.ticks if t.done.jump]
    assert not jumps or max(jumps) < 1e-3


def test_waiting_stands_still_while_the_policy_thinks() -> None:
    rig = Rig(latency_s=0.2, wait=True)
    rig.moving(0.3)
    rig.run(2.0)
    for tick in rig.ticks:
        if tick.done.request is not None:
            assert tick.done.state in (State.READY, State.HOLD)
    assert any(t.done.state is State.HOLD for t in rig.ticks)
    assert limits_kept(rig) <= 1 + 1e-6


def test_a_committed_step_is_as_uncertain_as_when_it_was_chosen() -> None:
    rig = Rig(latency_s=0.15, max_prefix=6)
    chosen: list[float] = []

    def number(chunk: TimedChunk) -> list[TimedChunk]:
        chosen.append(len(chosen) + 1.0)
        entropy, committed = np.array(chunk.entropy), len(rig.link.requests[-1].prefix)
        entropy[committed:] = chosen[-1]
        error = np.outer(entropy, rig.loop.controller._tolerances).astype(np.float32)
        return [replace(chunk, entropy=entropy, expected_error=error)]

    rig.link.change = number
    rig.moving(1.0)
    rig.latency_s = 0.04  # answers sooner than it was told: what is committed is played after it
    rig.run(1.0)
    running = [tick for tick in rig.ticks if tick.done.state is State.RUNNING]
    seen = [tick.done.entropy or 0.0 for tick in running]
    assert seen == sorted(seen)
    assert set(seen) <= set(chosen)
    assert [tick.done.unsure for tick in running] == pytest.approx(seen, rel=1e-6)
    taken_over = [tick.done.entropy or 0.0 for tick in rig.ticks if tick.done.jump is not None]
    assert len(taken_over) == len(chosen)
    assert any(played < newest for played, newest in zip(taken_over, chosen, strict=True))


def test_committed_steps_do_not_look_certain() -> None:
    rig = Rig(latency_s=0.1, max_prefix=6, slow_when_unsure=2.0)
    rig.policy.unsure = 4.0
    rig.moving(1.0)
    running = [tick.done for tick in rig.ticks if tick.done.state is State.RUNNING]
    assert [done.unsure for done in running] == pytest.approx([4.0] * len(running))
    assert [done.entropy for done in running] == pytest.approx([0.5] * len(running))
    assert max(done.speed for done in running[1:]) == pytest.approx(0.5)


def test_an_unsure_policy_goes_slower_and_holds() -> None:
    rig = Rig(slow_when_unsure=2.0, stop_when_unsure=8.0)
    rig.policy.unsure = 4.0
    rig.moving()
    assert rig.ticks[-1].done.speed == pytest.approx(0.5)
    assert rig.ticks[-1].done.unsure == pytest.approx(4.0, rel=1e-5)
    rig.policy.unsure = 9.0
    rig.run(1.0)
    assert rig.state is State.HOLD
    assert "unsure" in rig.reason
    rig.policy.unsure = 1.0
    rig.run(1.0)
    assert rig.state is State.RUNNING
    rig.policy.unsure = 9.0
    rig.run(4.0)
    assert rig.state is State.STOPPED


@pytest.mark.fault("D14")
@pytest.mark.parametrize("mode", ["dry_run", "shadow"])
def test_a_dry_run_and_a_shadow_send_nothing(mode: str) -> None:
    rig = Rig(mode=mode)
    rig.arm()
    rig.run(2.0)
    assert rig.state is State.RUNNING
    assert not rig.robot.sent
    assert "stop" not in rig.robot.calls
    assert len(rig.link.requests) > 5
