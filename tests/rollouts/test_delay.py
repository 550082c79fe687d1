"""Late chunks. A policy that says which observation its action is for and of which step shows what is executed."""

from itertools import pairwise

import numpy as np
import pytest

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.errors import InputError
from dist2_robot.rollouts.delay import PREFIX_ACTIONS, PREFIX_STEPS, STRATEGIES, Delay, DelayedChunks

SPEC = ActionSpec((ActionDimension("x", "joint", "m", 0.0, 1000.0, tolerance=1.0),), "absolute", 20.0, "file")
T = 16


def executed(strategy, steps, periods=4, execute=4):
    """Return what is done when the chunk of a moment t asks for 100 times its number, plus the step of the chunk."""
    delay, done = Delay(steps, strategy, execute), []
    plan = DelayedChunks(SPEC, delay)
    for number in range(periods):
        plan.committed()
        chunk = (100.0 * number + np.arange(T, dtype=np.float32))[:, None]
        done += plan.blend(chunk, delay.period)[: delay.period, 0].tolist()
    return done, plan


def pauses(done):
    """Return how many steps each standstill lasts."""
    still = "".join("s" if a == b else "." for a, b in pairwise(done))
    return [len(pause) for pause in still.split(".") if pause]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_delay_all_do_the_same(strategy):
    assert executed(strategy, 0)[0] == executed("blind", 0)[0] == [100.0 * n + i for n in range(4) for i in range(4)]


def test_blind_and_prefix_change_at_the_step_of_the_present_moment():
    for strategy in ("blind", "prefix"):
        assert executed(strategy, 2)[0][:10] == [0, 1, 2, 3, 4, 5, 102, 103, 104, 105]
        # A delay longer than what is executed: the next is asked for when the last is there.
        assert executed(strategy, 8)[0][:24] == [*range(16), *range(108, 116)]


def test_naive_begins_late_chunks_at_their_first_step():
    assert executed("naive", 2)[0][:8] == [0, 1, 2, 3, 4, 5, 100, 101]


def test_waiting_keeps_still_until_the_chunk_is_there():
    done = executed("waiting", 2)[0]
    assert done[:16] == [0, 1, 2, 3, 3, 3, 100, 101, 102, 103, 103, 103, 200, 201, 202, 203]


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("execute", [1, 4])
def test_waiting_pauses_once_for_each_chunk_but_the_first_and_as_long_as_the_delay(steps, execute):
    done = executed("waiting", steps, periods=5, execute=execute)[0]
    assert pauses(done) == [steps] * 4
    assert len(done) == 5 * execute + 4 * steps


def test_the_policy_is_told_what_is_executed_until_its_answer_is_there():
    delay = Delay(3, "prefix")
    plan = DelayedChunks(SPEC, delay)
    assert plan.committed()[PREFIX_STEPS] == 0
    plan.blend(np.arange(T, dtype=np.float32)[:, None], delay.period)
    told = plan.committed()
    assert told[PREFIX_STEPS] == 3
    assert told[PREFIX_ACTIONS][:, 0].tolist() == [4, 5, 6]
    later = plan.blend(np.full((T, 1), 50, np.float32), delay.period)
    assert later[:3, 0].tolist() == [4, 5, 6]
    assert executed("blind", 3)[1].committed() == {}


def test_jumps_are_where_chunks_change_and_nowhere_else():
    done, plan = executed("blind", 2)
    assert plan.jumps == [97.0, 97.0, 97.0]  # from 5 to 102
    assert set(plan.moves) == {1.0}
    assert len(plan.jumps) + len(plan.moves) == len(done) - 1
    # From 15 to 108 and so on; the last chunk is not there yet when the run ends.
    assert executed("blind", 8)[1].jumps == [93.0, 93.0]
    assert executed("waiting", 2)[1].jumps == [97.0, 97.0, 97.0]


@pytest.mark.parametrize(("strategy", "steps", "execute"), [("sideways", 1, 4), ("blind", -1, 4), ("blind", 1, 0)])
def test_odd_delays_are_refused(strategy, steps, execute):
    with pytest.raises(InputError, match="delay"):
        Delay(steps, strategy, execute)


def test_delays_that_a_policy_cannot_bridge_are_refused():
    with pytest.raises(InputError, match="over before"):
        Delay(9, "blind").check(SPEC, T, 0)
    with pytest.raises(InputError, match="committed steps"):
        Delay(8, "prefix").check(SPEC, T, 4)
    Delay(8, "prefix").check(SPEC, T, 8)
    Delay(12, "waiting").check(SPEC, T, 0)
