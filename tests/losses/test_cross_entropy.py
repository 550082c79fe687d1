"""Cross-entropy equals torch's."""

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.losses.cross_entropy import CrossEntropyLoss


@given(st.integers(1, 200))
def test_it_equals_torchs_to_the_bit(positions):
    logits, targets = torch.randn(positions, 4, 16), torch.randint(16, (positions, 4))
    ours = CrossEntropyLoss()(logits, targets).loss
    assert torch.equal(ours, F.cross_entropy(logits.flatten(0, 1), targets.flatten()))
