"""Our tokenizers in LeRobot's pipelines."""

import json

import pytest
import torch
from lerobot.lerobot_types import TransitionKey
from lerobot.processor import DataProcessorPipeline
from lerobot.utils.constants import ACTION_TOKENS

from dist2_robot.checkpoints.registry import TOKENIZERS, build_tokenizer
from dist2_robot.lerobot.token_steps import DetokenizeActionsStep, TokenizeActionsStep
from tests.data.recordings import SPEC

HORIZON = 4
SMALL = {"residual_vq": {"stages": 2, "codes": 8, "seed": 0}, "fsq": {"levels": [8, 4]}, "fast": {"vocab_size": 1024}}


def same(x):
    return x


@pytest.fixture
def actions():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(64, HORIZON, 2, generator=generator) * torch.tensor([2.0, 100.0]) - torch.tensor([1.0, 0.0])


@pytest.mark.parametrize("name", sorted(TOKENIZERS))
def test_there_and_back_through_files(name, actions, tmp_path):
    tokenizer = build_tokenizer(SPEC, {"name": name, "horizon": HORIZON, **SMALL.get(name, {})})
    tokenizer.fit(actions)
    steps = [TokenizeActionsStep.of(tokenizer), DetokenizeActionsStep.of(tokenizer)]
    DataProcessorPipeline(steps, name="tokens", to_transition=same, to_output=same).save_pretrained(tmp_path)
    content = json.loads((tmp_path / "tokens.json").read_text())
    assert not any("class" in step for step in content["steps"])
    loaded = DataProcessorPipeline.from_pretrained(
        tmp_path, config_filename="tokens.json", to_transition=same, to_output=same
    )
    seen = loaded.steps[0]({TransitionKey.ACTION: actions[:3]})
    tokens = seen[TransitionKey.COMPLEMENTARY_DATA][ACTION_TOKENS]
    assert torch.equal(tokens, tokenizer.encode(actions[:3]))
    back = loaded.steps[1]({TransitionKey.ACTION: tokens})[TransitionKey.ACTION]
    assert torch.equal(back, tokenizer.decode(tokens))


def test_without_an_action_nothing_changes(actions):
    tokenizer = build_tokenizer(SPEC, {"name": "uniform", "horizon": HORIZON})
    transition = {TransitionKey.ACTION: None}
    assert TokenizeActionsStep.of(tokenizer)(transition) == transition
