"""Whatever was built is closed: after a fault, after an error of the policy, and by workers too."""

from collections import Counter

import pytest

from dist2_robot.demonstrations.collect import collect_episodes
from dist2_robot.errors import InputError
from dist2_robot.rollouts import worker
from dist2_robot.rollouts.crew import LocalCrew
from dist2_robot.rollouts.environment import make_environment
from dist2_robot.tracking.protocol import Trackers
from tests.rollouts.test_runner import SEEDS, run


def entries(diary):
    return Counter(diary.read_text().split())


@pytest.fixture
def diary(tmp_path):
    return tmp_path / "diary"


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("fails_to_close", [False, True])
def test_an_environment_that_broke_is_closed_and_so_are_all_at_the_end(walk, diary, workers, fails_to_close):
    faults = {SEEDS[0]: (6, "raise"), SEEDS[1]: (2, "raise")}
    results = run(walk(faults=faults, diary=str(diary), fails_to_close=fails_to_close), workers=workers)
    assert [result.outcome for result in results[:2]] == ["error", "error"]
    assert "the floor is gone" in results[0].message  # the first thing that went wrong, not that of closing
    assert entries(diary) == {"built": 5, "closed": 5}


@pytest.mark.parametrize("workers", [0, 1])
def test_an_interrupted_run_closes_its_environments(walk, diary, workers):
    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(walk(diary=str(diary)), workers=workers, act=interrupted)
    found = entries(diary)
    assert found["built"] == found["closed"] > 0


def test_an_environment_that_a_slot_refuses_is_closed(walk, diary, monkeypatch):
    monkeypatch.setattr(worker, "Slot", lambda env: 1 / 0)
    crew = LocalCrew(walk(diary=str(diary)))
    assert "ZeroDivisionError" in crew.carry_out([worker.Reset(0, 1, film=False, max_steps=None)])[0].error
    assert entries(diary) == {"built": 1, "closed": 1}


def test_an_environment_without_what_we_need_is_closed(walk, diary, monkeypatch):
    spec = walk(diary=str(diary))
    env = make_environment(spec)
    monkeypatch.delitem(type(env.unwrapped).metadata, "render_fps")
    env.close()
    with pytest.raises(InputError, match="its metadata has no 'render_fps'"):
        make_environment(spec)
    assert entries(diary) == {"built": 2, "closed": 2}


def test_who_collects_closes_its_environments(walk, diary):
    spec = walk(goal=-100.0, diary=str(diary))
    assert len(list(collect_episodes(spec, 2, seed=0, workers=1))) == 2
    assert entries(diary) == {"built": 1, "closed": 1}


def test_a_tracker_that_fails_to_close_keeps_no_other_open():
    closed = []

    class Sink:
        def log(self, record):
            pass

        def close(self):
            closed.append(self)
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        Trackers(Sink(), Sink()).close()
    assert len(closed) == 2
