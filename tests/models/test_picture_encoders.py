"""Whatever looks at pictures. N pictures, P tokens of a picture, D width."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import resnet18

from dist2_robot.models.conv_encoder import ConvEncoder
from dist2_robot.models.keypoints import Keypoints
from dist2_robot.models.resnet_encoder import ResNetEncoder
from dist2_robot.models.timm_encoder import TimmEncoder
from dist2_robot.pictures import resize

WIDTH = 8
VISIONS = {
    "conv": lambda size: ConvEncoder(size, WIDTH, channels=8, keypoints=4),
    "resnet18": lambda size: ResNetEncoder(size, WIDTH, keypoints=4),
    "timm map": lambda size: TimmEncoder(size, WIDTH, model="resnet10t", keypoints=4),
    "timm patches": lambda size: TimmEncoder(size, WIDTH, model="test_vit"),
}
timm = pytest.importorskip("timm")


@pytest.fixture(params=VISIONS)
def encoder(request):
    return VISIONS[request.param]((32, 48)).eval()


@torch.no_grad()
def test_bytes_and_floats_are_seen_alike(encoder):
    pictures = torch.randint(0, 256, (2, 32, 48, 3), dtype=torch.uint8)
    tokens = encoder(pictures)
    assert tokens.shape == (2, encoder.tokens, WIDTH)
    assert torch.equal(tokens, encoder(pictures.float()))
    assert not torch.allclose(tokens[0], tokens[1])


@torch.no_grad()
def test_pictures_of_another_size_are_resized_first(encoder):
    pictures = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    assert torch.equal(encoder(pictures), encoder(resize(pictures, (32, 48))))


@torch.no_grad()
def test_one_picture_does_not_change_another(encoder):
    pictures = torch.randint(0, 256, (3, 32, 48, 3), dtype=torch.uint8)
    torch.testing.assert_close(encoder(pictures)[1:2], encoder(pictures[1:2]), rtol=1e-4, atol=1e-5)


def test_every_weight_has_a_gradient(encoder):
    for weight in encoder.parameters():
        if not weight.any():
            torch.nn.init.constant_(weight, 0.5)  # a scale that starts at zero hides what it scales
    encoder.train()(torch.rand(4, 32, 48, 3) * 255).square().sum().backward()
    without = [name for name, weight in encoder.named_parameters() if weight.grad is None or not weight.grad.any()]
    # A softmax does not care what is added to all of it.
    assert [name for name in without if not name.endswith("attention.bias")] == []


def test_what_is_too_small_or_not_known_is_refused_by_name():
    with pytest.raises(ValueError, match="at least 16 pixels"):
        ConvEncoder((8, 64), WIDTH)
    with pytest.raises(ValueError, match="multiple of 8, got 12"):
        ConvEncoder((32, 32), WIDTH, channels=12)
    with pytest.raises(ValueError, match=r"'resnet19'.* Did you mean 'resnet1"):
        TimmEncoder((32, 32), WIDTH, model="resnet19")


@pytest.fixture
def keypoints():
    """Keypoints of two features whose places come out as they are."""
    layer = Keypoints(2, 1, 2)
    torch.nn.init.zeros_(layer.pooled.weight)
    torch.nn.init.zeros_(layer.pooled.bias)
    layer.places = torch.nn.Sequential()
    with torch.no_grad():
        layer.attention.weight.copy_(torch.tensor([1.0, 0.0])[None, :, None, None])
    return layer


@torch.no_grad()
@pytest.mark.parametrize(("row", "column"), [(0, 0), (4, 6), (2, 3), (1, 5)])
def test_a_keypoint_is_where_the_dot_is(keypoints, row, column):
    features = torch.zeros(1, 2, 5, 7)
    features[0, 0, row, column] = 100.0
    expected = torch.tensor([[[2 * column / 6 - 1, 2 * row / 4 - 1]]])  # x to the right, y down
    torch.testing.assert_close(keypoints(features), expected)


@torch.no_grad()
def test_a_keypoint_moves_with_the_dot_and_lies_between_two(keypoints):
    features = torch.randn(1, 2, 9, 9) * 0.1
    features[0, 0, 3:6, 2:5] += 8.0
    moved = keypoints(features.roll((1, 2), dims=(2, 3)))[0, 0] - keypoints(features)[0, 0]
    torch.testing.assert_close(moved, torch.tensor([4 / 8, 2 / 8]), rtol=0, atol=0.02)
    two = torch.zeros(1, 2, 5, 5)
    two[0, 0, 1, 1] = two[0, 0, 1, 2] = 50.0
    torch.testing.assert_close(keypoints(two)[0, 0], torch.tensor([-0.25, -0.5]))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file as torchvision's own model would be saved, with statistics of a pretraining."""
    torch.manual_seed(3)
    network = resnet18(weights=None)
    network.train()(torch.rand(4, 3, 64, 64))
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(network.state_dict(), path)
    return path


@torch.no_grad()
def test_weights_of_a_file_are_loaded_whole(weights):
    network = resnet18(weights=None)
    network.load_state_dict(load_file(weights))
    network.eval()
    network = torch.nn.Sequential(*list(network.children())[:-2])  # without the mean and the classifier
    encoder = ResNetEncoder((64, 64), WIDTH, weights=str(weights))
    pictures = torch.rand(2, 3, 64, 64)
    # Its batch norm is frozen, so that training it does not change what it sees.
    torch.testing.assert_close(encoder.train().network(pictures), network(pictures), rtol=1e-4, atol=1e-4)
    assert encoder.config() == {"name": "resnet18", "keypoints": 32, "pretrained": True}
    again = ResNetEncoder((64, 64), WIDTH, keypoints=32, pretrained=True)  # as a checkpoint is loaded, without the file
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(pictures.movedim(1, -1) * 255), encoder(pictures.movedim(1, -1) * 255))


def test_weights_that_do_not_fit_are_refused_by_name(weights, tmp_path):
    path = tmp_path / "odd.safetensors"
    whole = load_file(weights)
    for name, tensors in {
        "layer2.0.conv1.weight": {k: v for k, v in whole.items() if k != "layer2.0.conv1.weight"},
        "layer1.0.bn1.bias": whole | {"layer1.0.bn1.bias": torch.zeros(3)},
        "layer9.weight": whole | {"layer9.weight": torch.zeros(3)},
    }.items():
        save_file(tensors, path)
        with pytest.raises(ValueError, match=rf"do not fit the network in \['{name}'\], 1 tensors"):
            ResNetEncoder((64, 64), WIDTH, weights=str(path))
    path.write_bytes(b"PK\x03\x04 a pickle in a zip")
    with pytest.raises(ValueError, match="not a safetensors file"):
        ResNetEncoder((64, 64), WIDTH, weights=str(path))
    with pytest.raises(ValueError, match=r"are not a file .*: mend vision\.weights"):
        ResNetEncoder((64, 64), WIDTH, weights=str(tmp_path / "nowhere"))


def test_weights_of_timm_are_loaded_but_for_the_classifier(tmp_path):
    path = tmp_path / "timm.safetensors"
    original = timm.create_model("resnet10t", pretrained=False)  # with a classifier
    save_file(original.state_dict(), path)
    encoder = TimmEncoder((32, 32), WIDTH, model="resnet10t", weights=str(path))
    state = original.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in encoder.network.state_dict().items())
