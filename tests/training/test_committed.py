"""Random parts of chunks that are given away. B batch, T steps, A dimensions."""

import pytest
import torch

from dist2_robot.errors import InputError
from dist2_robot.training.committed import RandomPrefix
from dist2_robot.types import Batch, Observation
from tests.policies.test_token_policy import HIGH, LOW, SPEC

B, T, P = 4000, 6, 4


def batch_of(rows=B):
    generator = torch.Generator().manual_seed(0)
    done = LOW + torch.rand(rows, T, len(SPEC), generator=generator) * (HIGH - LOW)
    return Batch(Observation({"observation.state": torch.zeros(rows, 2)}), done, torch.zeros(rows, T).bool())


def given(seed, noise=0.0):
    torch.manual_seed(seed)
    return RandomPrefix(SPEC, P, noise)(batch_of())


def test_every_number_of_steps_is_as_likely_and_they_are_the_true_ones():
    batch = given(0)
    counts = torch.bincount(batch.observation.prefix.steps)
    assert len(counts) == P + 1
    assert ((counts - B / (P + 1)).abs() < 5 * (B / (P + 1)) ** 0.5).all()
    assert torch.equal(batch.observation.prefix.actions, batch.actions[:, :P])


def test_draws_are_a_function_of_the_seed():
    first, again, other = (given(seed, noise=1.0).observation.prefix for seed in (0, 0, 1))
    assert torch.equal(first.steps, again.steps)
    assert torch.equal(first.actions, again.actions)
    assert not torch.equal(first.steps, other.steps)


def test_noise_is_in_tolerances_and_stays_within_the_limits():
    batch = given(0, noise=2.0)
    moved = batch.observation.prefix.actions - batch.actions[:, :P]
    tolerance = torch.tensor([d.tolerance for d in SPEC.dimensions])
    assert torch.allclose(moved[..., 0].std() / tolerance[0], torch.tensor(2.0), rtol=0.05)
    assert (batch.observation.prefix.actions[..., 1:] <= HIGH[1:]).all()
    assert (batch.observation.prefix.actions[..., 1:] >= LOW[1:]).all()


def test_without_a_prefix_nothing_is_drawn():
    torch.manual_seed(0)
    batch = batch_of()
    assert RandomPrefix(SPEC, 0)(batch) is batch
    assert torch.equal(torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("noise", [-1.0, float("nan"), True, "a"])
def test_odd_noise_is_refused(noise):
    with pytest.raises(InputError, match="prefix_noise"):
        RandomPrefix(SPEC, P, noise)


def test_parts_of_a_batch_keep_their_rows_of_the_prefix():
    batch = given(0)
    parts = batch.split(3)
    assert torch.equal(torch.cat([part.observation.prefix.steps for part in parts]), batch.observation.prefix.steps)
    assert torch.equal(torch.cat([part.is_given for part in parts]), batch.is_given)
