"""Our loss in LeRobot's pi0-FAST: its own forward pass, on a backbone of one layer."""

from types import MethodType, SimpleNamespace

import pytest
import torch
from torch import nn

from dist2_robot.checkpoints.registry import build_tokenizer
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.lerobot.pi0_fast import ActionTokens, paligemma_ids, shared_distances, use_loss
from dist2_robot.losses.cross_entropy import CrossEntropyLoss
from dist2_robot.losses.dist2 import Dist2Loss
from tests.data.recordings import SPEC

modeling = pytest.importorskip("lerobot.policies.pi0_fast.modeling_pi0_fast")
WORDS, WIDTH, BINS = 64, 8, 16
IDS = paligemma_ids(BINS, words=WORDS, skipped=4)


class Backbone(nn.Module):
    """What pi0-FAST's forward pass asks of PaliGemma."""

    def __init__(self):
        super().__init__()
        layer = SimpleNamespace(self_attn=SimpleNamespace(q_proj=nn.Linear(WIDTH, WIDTH)))
        self.paligemma = SimpleNamespace(
            lm_head=nn.Linear(WIDTH, WORDS),
            model=SimpleNamespace(language_model=SimpleNamespace(layers=[layer])),
        )
        self.body = nn.Linear(WIDTH, WIDTH)

    def forward(self, inputs_embeds, **_):
        return (self.body(inputs_embeds[0]), None), None


@pytest.fixture
def policy():
    torch.manual_seed(0)
    words = nn.Embedding(WORDS, WIDTH)

    def embed_prefix_fast(images, image_masks, tokens, masks, fast_action_tokens, fast_action_masks):
        embedded = words(torch.cat([tokens, fast_action_tokens], dim=1))
        seen = torch.cat([masks, fast_action_masks], dim=1)
        return embedded, seen, seen[:, None].expand(-1, seen.shape[1], -1), 0, fast_action_tokens.shape[1]

    model = SimpleNamespace(paligemma_with_expert=Backbone(), embed_prefix_fast=embed_prefix_fast)
    model.forward = MethodType(modeling.PI0FastPytorch.forward, model)
    return SimpleNamespace(model=model)


@pytest.fixture
def inputs():
    """Two rows: a word, three action tokens, an end; and one that is shorter."""
    action = IDS[torch.tensor([[3, 9, 1], [15, 0, 0]])]
    tokens = torch.cat([torch.full((2, 1), 2), action, torch.full((2, 1), 7)], dim=1)
    masks = torch.tensor([[True] * 5, [True, True, False, False, False]])
    prompt = torch.ones(2, 3, dtype=torch.long)
    return [], [], prompt, torch.ones_like(prompt, dtype=torch.bool), tokens, masks


def tokenizer():
    return build_tokenizer(SPEC, {"name": "uniform", "horizon": 2, "bins": BINS})


def test_cross_entropy_is_what_it_was(policy, inputs):
    before = policy.model.forward(*inputs)
    use_loss(policy, CrossEntropyLoss(), IDS)
    after = policy.model.forward(*inputs)
    assert torch.allclose(after["loss"], before["loss"], rtol=1e-6)
    assert torch.equal(after["ce_loss"], before["ce_loss"])


def test_action_tokens_have_a_distance_and_other_words_have_none(policy, inputs):
    loss = Dist2Loss(shared_distances(tokenizer(), SquaredDistance("bins")), tau=1.0, token_ids=IDS)
    theirs = policy.model.forward(*inputs)["loss"]
    use_loss(policy, loss, IDS)
    after = policy.model.forward(*inputs)
    assert after["loss"] > theirs
    after["loss"].backward()
    weights = policy.model.paligemma_with_expert.paligemma.lm_head.weight
    assert torch.isfinite(weights.grad).all()
    with torch.no_grad():  # only the end is left to predict
        tokens, masks = inputs[4][:, -2:], torch.tensor([[True, True], [True, False]])
        alone = policy.model.forward(*inputs[:4], tokens, masks)
    assert torch.allclose(alone["loss"], alone["ce_loss"], rtol=1e-6)


def test_our_tokens_in_its_vocabulary_and_back():
    ours = tokenizer()
    tokens = ActionTokens(ours)
    actions = torch.tensor([[[0.1, 20.0], [-0.9, 80.0]]])
    numbers = tokens(actions)
    assert torch.equal(torch.from_numpy(tokens.decode(numbers)), ours.decode(ours.encode(actions)))
    assert len(set(IDS.tolist())) == BINS
    assert IDS.max() == WORDS - 5
    with pytest.raises(ValueError, match="token"):
        tokens.decode([[0]])


def test_a_word_has_one_distance_from_another():
    with pytest.raises(ValueError, match="not equally far apart"):
        shared_distances(tokenizer(), SquaredDistance("tolerance"))  # 40 tolerances of x, 100 of the gripper
