"""A rating reaches its top where all is done, and nowhere else."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.actions.rating import MOST, MOST_OF_STAGE, SCORE, rating_spec, to_rating
from dist2_robot.errors import InputError
from dist2_robot.tokenizers.per_dimension import PerDimensionTokenizer

SHARES = st.dictionaries(st.sampled_from(["reached", "held", "moved", "placed"]), st.floats(0, 1), min_size=1)


@given(SHARES)
def test_the_top_is_where_all_is_done(shares):
    rating, is_done = to_rating(shares), min(shares.values()) == 1
    assert (rating[0] == MOST) == is_done or np.isclose(min(shares.values()), 1)
    assert len(rating) == 1 + len(shares)
    assert (rating >= 0).all()
    assert (rating[1:] <= MOST_OF_STAGE).all()


@given(SHARES, st.floats(0, 1))
def test_who_got_further_in_all_is_not_rated_less(shares, more):
    further = {name: share + more * (1 - share) for name, share in shares.items()}
    assert (to_rating(further) >= to_rating(shares)).all()


def test_every_point_is_the_middle_of_a_token():
    spec = rating_spec(["reached", "held"], 20.0)
    assert spec.names == (SCORE, "reached", "held")
    tokenizer = PerDimensionTokenizer(spec, 1)
    assert tokenizer.counts.flatten().tolist() == [MOST + 1, MOST_OF_STAGE + 1, MOST_OF_STAGE + 1]
    for points in ([0, 0, 0], [20, 4, 4], [7, 2, 1]):
        chunk = torch.tensor([[points]], dtype=torch.float32)
        assert tokenizer.encode(chunk).flatten().tolist() == points
        torch.testing.assert_close(tokenizer.decode(tokenizer.encode(chunk)), chunk)


def test_a_task_without_stages_is_refused():
    with pytest.raises(InputError, match="without stages"):
        rating_spec([], 20.0)
