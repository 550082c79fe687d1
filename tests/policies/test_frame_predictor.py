"""A transformer over the codes of a later picture."""

from dataclasses import replace

import pytest
import torch

from dist2_robot.checkpoints.frame_predictors import build_frame_predictor, check_golden_codes, golden_codes
from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.data.future_windows import NEXT
from dist2_robot.errors import InputError
from dist2_robot.policies.frame_predictor import told
from dist2_robot.training.ema import trained
from dist2_robot.types import Batch, Observation
from tests.data.recordings import CAMERA, SPEC

STATE = "observation.state"
CONFIG = {
    "name": "frame_predictor",
    "horizon": 3,
    "camera": CAMERA,
    "codec": {"size": [8, 12], "codes": 9, "code_width": 2, "channels": 4, "steps": 8},
    "observation": {"numbers": {STATE: 3}, "pictures": {}, "tasks": [], "history": 1},
    "width": 8,
    "depth": 2,
    "attention_heads": 2,
}


@pytest.fixture
def predictor():
    torch.manual_seed(0)
    built = build_frame_predictor(SPEC, CONFIG).eval()
    pictures = torch.randint(256, (16, 8, 12, 3), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    built.codec.fit(pictures)  # so that pictures differ in codes
    return built


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randint(256, (2, 5, 8, 12, 3), generator=generator, dtype=torch.uint8)
    seen = {STATE: torch.randn(5, 3, generator=generator), CAMERA: pictures[0], NEXT + CAMERA: pictures[1]}
    actions = torch.rand(5, 3, 2, generator=generator)
    return Batch(Observation(seen), actions, torch.zeros(5, 3, dtype=torch.bool))


def test_no_logit_sees_its_own_code_or_later_ones(predictor, batch):
    codes = predictor.codec.encode(batch.observation.features[NEXT + CAMERA])
    before = predictor(told(batch), codes)
    for place in range(predictor.codec.tokens):
        changed = codes.clone()
        changed[:, place] = (changed[:, place] + 1) % 9
        after = predictor(told(batch), changed)
        assert torch.equal(before[:, : place + 1], after[:, : place + 1])
        assert place == predictor.codec.tokens - 1 or not torch.equal(before[:, place + 1 :], after[:, place + 1 :])


def test_writing_with_a_cache_is_choosing_the_most_probable_code_each(predictor, batch):
    written = predictor.predict(told(batch))
    assert torch.equal(written, predictor(told(batch), written).argmax(-1))


def test_draws_follow_the_distribution_and_the_generator(predictor, batch):
    one, two, other = (predictor.predict(told(batch), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    many = Batch(
        Observation({name: x[:1].expand(4000, *x.shape[1:]) for name, x in batch.observation.features.items()}),
        batch.actions[:1].expand(4000, -1, -1),
        batch.is_padding[:1].expand(4000, -1),
    )
    first = predictor.predict(told(many), torch.Generator().manual_seed(0))[:, 0]
    shares = torch.bincount(first, minlength=9) / 4000
    codes = torch.zeros(5, predictor.codec.tokens, dtype=torch.long)
    assert (shares - predictor(told(batch), codes)[0, 0].softmax(-1)).abs().max() < 0.03


def test_actions_present_picture_and_state_all_matter(predictor, batch):
    codes = predictor.codec.encode(batch.observation.features[NEXT + CAMERA])
    logits = predictor(told(batch), codes)
    assert not torch.equal(logits, predictor(told(replace(batch, actions=batch.actions + 0.3)), codes))
    for name in (CAMERA, STATE):
        seen = {**batch.observation.features, name: batch.observation.features[name].flip(0)}
        assert not torch.equal(logits, predictor(told(replace(batch, observation=Observation(seen))), codes))


def test_the_loss_is_that_of_the_codes_and_spares_the_codec(predictor, batch):
    loss = build_loss(predictor.codec, {"name": "cross_entropy"})
    codes = predictor.codec.encode(batch.observation.features[NEXT + CAMERA])
    expected = torch.nn.functional.cross_entropy(predictor(told(batch), codes).flatten(0, 1), codes.flatten())
    assert predictor.loss(loss, batch).loss.item() == pytest.approx(expected.item())
    assert int(predictor.count(batch)) == codes.numel()
    names = [name for name, _ in trained(predictor)]
    assert names
    assert not any(name.startswith("codec") for name in names)


def test_what_is_built_from_its_config_and_state_is_the_same(predictor, batch):
    again = build_frame_predictor(SPEC, predictor.config()).eval()
    golden = golden_codes(predictor, told(batch))
    assert check_golden_codes(again, golden) > 0
    again.load_state_dict(predictor.state_dict())
    assert check_golden_codes(again, golden) == 0


def test_it_must_be_told_all_actions_and_be_shown_a_picture(predictor, batch):
    whole = told(batch)
    assert whole.prefix is not None
    half = replace(whole, prefix=replace(whole.prefix, steps=whole.prefix.steps - 1))
    blind = replace(whole, features={STATE: whole.features[STATE]})
    for wrong, words in ((batch.observation, "all 3 actions"), (half, "all 3 actions"), (blind, "is missing")):
        with pytest.raises(ValueError, match=words):
            predictor.predict(wrong)


def test_settings_that_cannot_be_are_refused():
    for wrong in ({"name": "token"}, {"width": 9}, {"codec": {"size": [7, 8]}}, {"colour": 3}):
        with pytest.raises(InputError, match=r"^[^\n]+$"):
            build_frame_predictor(SPEC, {**CONFIG, **wrong})
