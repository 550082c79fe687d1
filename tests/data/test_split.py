import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.data.split import split_episodes


@given(st.integers(1, 300), st.floats(0, 0.99), st.integers(0, 2**31))
def test_every_episode_is_on_one_side(episodes, share, seed):
    training, held_out = split_episodes(episodes, share, seed)
    assert sorted(training + held_out) == list(range(episodes))
    assert training == sorted(training)
    assert held_out == sorted(held_out)
    assert training
    assert bool(held_out) == (share > 0 and episodes > 1)
    assert (training, held_out) == split_episodes(episodes, share, seed)


def test_the_share_is_kept_and_the_seed_chooses():
    assert len(split_episodes(50, 0.1, 0)[1]) == 5
    assert len({tuple(split_episodes(50, 0.1, seed)[1]) for seed in range(20)}) == 20


@pytest.mark.parametrize("share", [1.0, -0.1, float("nan")])
def test_a_share_that_leaves_nothing_to_learn_is_refused(share):
    with pytest.raises(ValueError, match="validation share"):
        split_episodes(10, share, 0)
