"""The vocab baseline is cross-entropy within the metric tokens. W vocabulary."""

import pytest
import torch
import torch.nn.functional as F

from dist2_robot.losses.metric_vocabulary import MetricVocabulary
from dist2_robot.losses.vocab import VocabLoss

IDS = [7, 2, 9]


def draw():
    return torch.randn(5, 4, 12, dtype=torch.float64, requires_grad=True), torch.randint(12, (5, 4))


def test_where_all_tokens_are_metric_it_is_cross_entropy_to_the_bit():
    logits, targets = draw()
    assert torch.equal(VocabLoss()(logits, targets).loss, F.cross_entropy(logits.flatten(0, 1), targets.flatten()))


def test_it_renormalises_over_the_metric_tokens_and_leaves_the_others_alone():
    logits, _ = draw()
    targets = torch.tensor(IDS)[torch.randint(3, (5, 4))]
    log_p = torch.log_softmax(logits, -1)
    inside = log_p[..., IDS].logsumexp(-1)
    expected = (inside - log_p.gather(-1, targets[..., None])[..., 0]).mean()
    loss = VocabLoss(IDS)(logits, targets).loss
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    loss.backward()
    others = [i for i in range(12) if i not in IDS]
    assert not logits.grad[..., others].any()


def test_other_tokens_get_plain_cross_entropy():
    logits, _ = draw()
    targets = torch.full((5, 4), 3)
    plain = F.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
    assert VocabLoss(IDS)(logits, targets).loss.item() == pytest.approx(plain, rel=1e-9)
    not_metric = torch.zeros(5, 4, dtype=torch.bool)
    sevens = torch.full((5, 4), 7)
    plain = F.cross_entropy(logits.flatten(0, 1), sevens.flatten()).item()
    assert VocabLoss(IDS)(logits, sevens, metric_tokens=not_metric).loss.item() == pytest.approx(plain, rel=1e-9)


def test_metric_tokens_are_found_by_their_place_in_the_list():
    number, is_metric = MetricVocabulary(IDS).find(torch.tensor([9, 7, 2, 0, 10, 11, 10**6, -100]))
    assert number[:3].tolist() == [2, 0, 1]
    assert is_metric.tolist() == [True, True, True, False, False, False, False, False]


@pytest.mark.parametrize("ids", [[], [1, 1], [-1, 2], [0.5], [[1, 2]]])
def test_ids_that_name_no_tokens_are_refused(ids):
    with pytest.raises(ValueError, match="token_ids"):
        MetricVocabulary(ids)
