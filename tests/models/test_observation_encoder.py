"""What is seen and told becomes tokens. B batch, K moments, F tokens, D width."""

import pytest
import torch

from dist2_robot.checkpoints.registry import build_observation_encoder
from dist2_robot.errors import InputError
from dist2_robot.types import Observation, ObservationSpec

WIDTH = 8
TASKS = ("push", "pull the block")
NUMBERS = {"observation.state": 3, "observation.environment_state": 2}
CAMERAS = {"observation.images.left": (32, 32), "observation.images.right": (16, 24)}
CONV = {"name": "conv", "channels": 8, "keypoints": 4}


def build(history=1, *, vision=CONV, numbers=NUMBERS, pictures=CAMERAS, instruction: str | None = "words"):
    spec = ObservationSpec(numbers, pictures, TASKS, history)
    config = {"observation": spec.to_dict(), "vision": vision, "instruction": instruction and {"name": instruction}}
    return build_observation_encoder(config, WIDTH)


def see(history=1, rows=2, tasks=("push", "pull the block")):
    moments = (history,) if history > 1 else ()
    features = {name: torch.randn(rows, *moments, size) for name, size in NUMBERS.items()}
    for name, size in CAMERAS.items():
        features[name] = torch.randint(0, 256, (rows, *moments, *size, 3), dtype=torch.uint8)
    return Observation(features, tasks)


def without(observation, name):
    return Observation({k: v for k, v in observation.features.items() if k != name}, observation.tasks)


def replaced(observation, name, value):
    return Observation({**observation.features, name: value}, observation.tasks)


@torch.no_grad()
@pytest.mark.parametrize("history", [1, 3])
def test_tokens_come_in_the_order_numbers_pictures_task(history):
    encoder, seen = build(history), see(history)
    tokens = encoder(seen)
    assert encoder.tokens == 2 + 2 * history + 1
    assert tokens.shape == (2, encoder.tokens, WIDTH)
    places = {
        "observation.state": {0},
        "observation.environment_state": {1},
        "observation.images.left": set(range(2, 2 + history)),
        "observation.images.right": set(range(2 + history, 2 + 2 * history)),
    }
    for name, expected in places.items():
        other = replaced(seen, name, seen.features[name].flip(0) if name in CAMERAS else seen.features[name] + 1)
        assert changed(encoder(other), tokens) == expected
    assert changed(encoder(Observation(seen.features, ("lift", "pull the block"))), tokens) == {encoder.tokens - 1}


@torch.no_grad()
def test_a_moment_of_a_camera_is_a_token_oldest_first():
    encoder, seen = build(3), see(3)
    pictures = seen.features["observation.images.left"].clone()
    pictures[:, 1] = 255 - pictures[:, 1]
    assert changed(encoder(replaced(seen, "observation.images.left", pictures)), encoder(seen)) == {3}


def changed(tokens, others):
    """Return the places of tokens that differ."""
    return set((~torch.isclose(tokens, others, atol=1e-6)).any(-1).any(0).nonzero()[:, 0].tolist())


@torch.no_grad()
def test_a_camera_of_another_size_is_resized():
    encoder, seen = build(), see()
    large = seen.features["observation.images.left"].repeat_interleave(2, 1).repeat_interleave(2, 2)
    # Every pixel four times; the borders between them blur a little.
    torch.testing.assert_close(
        encoder(replaced(seen, "observation.images.left", large)), encoder(seen), rtol=0, atol=0.2
    )


def test_what_is_missing_or_misshapen_is_named():
    encoder, seen = build(), see()
    for name in (*NUMBERS, *CAMERAS):
        with pytest.raises(ValueError, match=f"'{name}'"):
            encoder(without(seen, name))
    with pytest.raises(ValueError, match="says no task"):
        encoder(see(tasks=None))
    for name, wrong in {
        "observation.state": torch.zeros(2, 4),
        "observation.images.left": torch.zeros(2, 32, 32, 4),
        "observation.images.right": torch.zeros(2, 3, 16, 24, 3),
    }.items():
        with pytest.raises(ValueError, match=f"'{name}'"):
            encoder(replaced(seen, name, wrong))
    with pytest.raises(ValueError, match=r"'observation.images.left' must be \(B, 3, height"):
        build(3)(replaced(see(3), "observation.images.left", torch.zeros(2, 2, 32, 32, 3)))
    with pytest.raises(ValueError, match=r"'observation.state'"):
        build(3)(replaced(see(3), "observation.state", torch.zeros(2, 2, 3)))


@pytest.mark.fault("D1")
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_named(number):
    seen = see()
    seen.features["observation.state"][1, 2] = number
    with pytest.raises(ValueError, match=r"observation\.state"):
        build()(seen)


@pytest.mark.parametrize("history", [1, 3])
def test_every_weight_has_a_gradient(history):
    encoder = build(history, instruction="embedding")
    encoder(see(history)).square().sum().backward()
    idle = [name for name, weight in encoder.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert [name for name in idle if not name.endswith("attention.bias")] == []


@torch.no_grad()
@pytest.mark.parametrize("history", [1, 3])
@pytest.mark.parametrize(
    "vision",
    [CONV, {"name": "resnet18", "keypoints": 4}, {"name": "timm", "model": "resnet10t", "keypoints": 4}],
    ids=lambda vision: vision["name"],
)
@pytest.mark.parametrize("instruction", ["words", "embedding"])
def test_an_encoder_is_built_anew_from_its_config(history, vision, instruction):
    if vision["name"] == "timm":
        pytest.importorskip("timm")
    encoder = build(history, vision=vision, instruction=instruction).eval()
    again = build_observation_encoder(encoder.config(), WIDTH).eval()
    assert again.config() == encoder.config()
    again.load_state_dict(encoder.state_dict())
    seen = see(history)
    assert torch.equal(again(seen), encoder(seen))


@torch.no_grad()
def test_pictures_alone_are_enough_and_so_are_numbers():
    blind = build(pictures={}, instruction=None)
    assert blind(see(tasks=None)).shape == (2, 2, WIDTH)
    assert blind.config()["vision"] is None
    eyes = build(numbers={}, instruction=None)
    assert eyes(see(tasks=None)).shape == (2, 2, WIDTH)
    with pytest.raises(InputError, match="at least one observed feature"):
        build(numbers={}, pictures={})
