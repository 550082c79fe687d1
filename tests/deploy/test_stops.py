"""No stop is ever lost, whenever it is asked for. Row A2."""

import signal
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from dist2_robot.deploy.loop.control_loop import Tick
from dist2_robot.deploy.loop.machine import State
from dist2_robot.deploy.loop.operator_queue import OperatorQueue
from tests.deploy.rigs import Rig
from tests.deploy.stop_law import Witness, on_line, random_rig

SECONDS = 0.3  # of a run, then it is ended


def ending(rig: Rig, seconds: float = SECONDS):
    """Return an `until` that ends a run after some time."""
    left = round(seconds * rig.settings.rate_hz)

    def until(_: Tick) -> str:
        nonlocal left
        left -= 1
        return "the end" if left <= 0 else ""

    return until


@pytest.mark.fault("A2")
def test_a_stop_between_two_runs_ends_the_second_before_anything_is_sent() -> None:
    rig = Rig()
    rig.loop.run(ending(rig))
    assert rig.reason == "the end"
    sent = len(rig.robot.sent)
    rig.loop.stop("a person")
    for _ in range(3):  # the hand on the key trembles
        rig.loop.stop("a person, again")
    rig.loop.run(ending(rig))
    assert (rig.state, rig.reason) == (State.STOPPED, "a person")
    assert len(rig.robot.sent) == sent
    rig.loop.run(ending(rig))
    assert rig.reason == "the end"
    assert len(rig.robot.sent) > sent


@pytest.mark.fault("A2")
def test_a_stop_before_the_first_run_ends_it_and_the_world_is_left_alone() -> None:
    rig = Rig()
    rig.loop.stop("a person")
    rig.loop.run(ending(rig), before=lambda: pytest.fail("an episode was begun"))
    assert (rig.state, rig.reason) == (State.STOPPED, "a person")
    assert not rig.robot.sent


@pytest.mark.fault("A2")
def test_a_stop_while_an_episode_is_begun_ends_the_run() -> None:
    rig = Rig()
    rig.loop.run(ending(rig), before=lambda: rig.loop.stop("a person"))
    assert (rig.state, rig.reason) == (State.STOPPED, "a person")
    assert not rig.robot.sent


@pytest.mark.fault("A2")
def test_a_stop_while_it_brakes_for_another_reason_ends_the_next_run() -> None:
    rig = Rig()

    def until(tick: Tick) -> str:
        if tick.done.state is State.STOPPED:
            rig.loop.stop("a person")
        return "the end" if tick.index > 10 else ""

    rig.loop.run(until)
    assert rig.reason == "the end"
    sent = len(rig.robot.sent)
    rig.loop.run(ending(rig))
    assert rig.reason == "a person"
    assert len(rig.robot.sent) == sent


@pytest.mark.fault("A2")
def test_only_what_was_asked_for_before_a_rearming_is_taken_back_by_it() -> None:
    rig = Rig().moving()
    rig.loop.stop("first")
    rig.run(0.5)
    rig.loop.stop("second")  # it stands stopped
    rig.run(0.1)
    rig.loop.command("rearm")
    rig.loop.tick()
    assert rig.state is State.DISARMED
    rig.arm()
    rig.run(0.3)
    assert rig.state is State.RUNNING
    rig.loop.stop("third")
    rig.run(0.5)
    rig.loop.command("rearm")
    rig.arm()
    rig.loop.stop("fourth")  # after all of these, in the same tick
    sent = len(rig.robot.sent)
    rig.run(0.3)
    assert (rig.state, rig.reason) == (State.STOPPED, "fourth")
    assert len(rig.robot.sent) == sent


@pytest.mark.fault("A2")
def test_a_rearming_while_it_still_brakes_takes_nothing_back() -> None:
    rig = Rig().moving()
    rig.loop.stop("first")
    rig.loop.tick()
    assert not rig.loop.controller.is_at_rest
    rig.loop.stop("second")
    rig.loop.command("rearm")
    rig.run(0.5)
    assert rig.state is State.STOPPED
    assert any("'rearm' means nothing" in event for event in rig.events)
    rig.loop.run(ending(rig))
    assert rig.reason == "second"


@pytest.mark.fault("A2")
def test_a_stop_disarmed_arms_nothing_until_a_person_rearms() -> None:
    rig = Rig()
    rig.arm()
    rig.loop.stop("a person")
    rig.run(0.1)
    rig.arm()
    rig.run(0.5)
    assert (rig.state, rig.reason) == (State.STOPPED, "a person")
    assert not rig.robot.sent  # it was never held: no position is known that it could be sent
    rig.loop.command("rearm")
    rig.arm()
    rig.run(0.5)
    assert rig.state is State.RUNNING


def life(rig: Rig, witness: Witness, end_s: float) -> None:
    """Run twice: arm, go there slowly, move, brake; re-arm."""
    for _ in range(2):
        witness.run(ending(rig, end_s), before=lambda: rig.robot.begin_episode(0))
    if witness.is_pending:  # it came when the last run had stopped already
        witness.run(ending(rig, 0.1))


END_S = {"check": 0.24, "ramp": 0.6}


def a_life(start: str) -> tuple[Rig, Witness]:
    rig = Rig(start=start, latency_s=0.02, ramp_speed=1.0, start_within_s=0.01)
    rig.policy.step = 1.0
    if start == "ramp":
        rig.policy.goal, rig.policy.step = np.array([3.0, 3.0, 3.0]), 3.0
    return rig, Witness(rig)


def every(stride: int, start: str) -> Iterator[int]:
    """Yield points of a life: every so many lines of the loop's own code."""
    rig, witness = a_life(start)
    with on_line(-1, lambda: None) as count:
        life(rig, witness, END_S[start])
    assert {tick.done.state for tick in rig.ticks} >= {State.READY, State.RUNNING, State.STOPPED}
    yield from range(1, count[0] + 1, stride)


def try_every(stride: int, start: str) -> dict[str, int]:
    states: dict[str, int] = {}
    for point in every(stride, start):
        rig, witness = a_life(start)
        with on_line(point, witness.stop):
            life(rig, witness, END_S[start])
        assert not witness.breaches, (point, witness.breaches)
        assert not witness.is_pending
        assert witness.stops == 1
        for state, count in witness.states.items():
            states[state] = states.get(state, 0) + count
    return states


@pytest.mark.fault("A2")
@pytest.mark.parametrize("start", ["check", "ramp"])
def test_a_stop_before_some_lines_of_the_loop_is_obeyed_in_the_next_tick(start: str) -> None:
    states = try_every(101 if start == "check" else 307, start)
    assert set(states) >= {State.DISARMED, State.READY, State.RUNNING, State.STOPPED}


@pytest.mark.slow
@pytest.mark.fault("A2")
@pytest.mark.parametrize("start", ["check", "ramp"])
def test_a_stop_before_any_line_of_the_loop_is_obeyed_in_the_next_tick(start: str) -> None:
    print(try_every(1, start))


@pytest.mark.fault("A2")
@pytest.mark.parametrize("part", ["read", "send", "poll", "request", "sleep", "decide", "log", "watch"])
@pytest.mark.parametrize("at", [0, 1, 5, 9, 12])
def test_a_stop_in_any_part_of_a_tick_is_obeyed_in_the_next(part: str, at: int) -> None:
    rig, witness = a_life("check")
    owner, name = {
        "read": (rig.robot, "read"),
        "send": (rig.robot, "send"),
        "poll": (rig.link, "poll"),
        "request": (rig.link, "request"),
        "sleep": (rig.clock, "sleep_until"),
        "decide": (rig.loop.controller, "tick"),
        "log": (rig.loop, "_count"),
        "watch": (rig.loop, "_watch"),
    }[part]
    call, calls = getattr(owner, name), 0

    def stopping(*given):
        nonlocal calls
        calls += 1
        if calls == at + 1:
            witness.stop()
        return call(*given)

    setattr(owner, name, stopping)
    life(rig, witness, 0.5)
    assert witness.stops == (calls > at)
    assert not witness.breaches
    assert not witness.is_pending


def random_stops(wanted: int, seed: int) -> dict[str, int]:
    """Stop random lives at random moments, so many times in all; return how often in which state."""
    rng, states, stops = np.random.default_rng(seed), dict[str, int](), 0
    while stops < wanted:
        rig = random_rig(rng)
        witness = Witness(rig)
        for _ in range(12):
            share = 0.02 if rng.random() < 0.5 else 0.0

            def until(_: Tick, share: float = share, witness: Witness = witness) -> str:
                return "the end" if rng.random() < share else "" if len(witness.rig.ticks) < 150 else "too long"

            if rng.random() < 0.15:
                witness.stop()
            with stopping_at(rig, witness, int(rng.integers(1, 160))):
                witness.run(until, before=lambda rig=rig: rig.robot.begin_episode(0))
        if witness.is_pending:  # it came when the last run had stopped already
            witness.run(lambda _: "the end")
        assert not witness.breaches, witness.breaches
        assert not witness.is_pending
        stops += witness.stops
        for state, count in witness.states.items():
            states[state] = states.get(state, 0) + count
    return states


class stopping_at:  # noqa: N801
    """Ask a witness for a stop at the n-th call of anything that the loop uses."""

    def __init__(self, rig: Rig, witness: Witness, count: int) -> None:
        self._left, self._witness = count, witness
        self._names = [(rig.robot, "read"), (rig.robot, "send"), (rig.link, "poll"), (rig.clock, "sleep_until")]
        self._names += [(rig.link, "request"), (rig.loop, "_count")]

    def __enter__(self) -> None:
        self._before = [(owner, name, getattr(owner, name)) for owner, name in self._names]
        for owner, name, call in self._before:
            setattr(owner, name, self._counted(call))

    def __exit__(self, *_: object) -> None:
        for owner, name, call in self._before:
            setattr(owner, name, call)

    def _counted(self, call):
        def counted(*given):
            self._left -= 1
            if self._left == 0:
                self._witness.stop()
            return call(*given)

        return counted


@pytest.mark.fault("A2")
def test_no_stop_is_lost_at_a_hundred_random_moments_of_random_lives() -> None:
    states = random_stops(100, seed=0)
    assert sum(states.values()) >= 100


@pytest.mark.slow
@pytest.mark.fault("A2")
def test_no_stop_is_lost_at_a_thousand_random_moments_of_random_lives() -> None:
    states = random_stops(1000, seed=1)
    print(states)
    assert set(states) == set(State)


@pytest.mark.fault("A2")
def test_a_stop_by_a_signal_or_another_thread_is_one_like_any_other() -> None:
    for ask in ("signal", "thread"):
        rig = Rig().moving()
        before = signal.signal(signal.SIGUSR1, lambda *_, rig=rig: rig.loop.stop("a person"))
        try:
            if ask == "signal":
                signal.raise_signal(signal.SIGUSR1)
            else:
                thread = threading.Thread(target=rig.loop.stop, args=("a person",))
                thread.start()
                thread.join()
        finally:
            signal.signal(signal.SIGUSR1, before)
        rig.run(0.1)
        assert (rig.state, rig.reason) == (State.STOPPED, "a person")


def test_of_what_several_threads_ask_nothing_is_lost() -> None:
    queue, taken = OperatorQueue(), 0
    threads = [threading.Thread(target=lambda: [queue.command("arm") for _ in range(2000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken += len(queue.take(is_stopped=False, can_rearm=False)[0])
    assert taken + len(queue.take(is_stopped=False, can_rearm=False)[0]) == 8000


def test_a_stop_without_a_reason_is_a_stop() -> None:
    rig = Rig().moving()
    rig.loop.stop("")
    rig.run(0.1)
    assert rig.state is State.STOPPED
    assert rig.reason
