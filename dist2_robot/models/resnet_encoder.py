"""ResNet-18, from scratch or with pretrained weights. N pictures, D width."""

from typing import Any

from torch import Tensor, nn

from dist2_robot.models.keypoints import Keypoints
from dist2_robot.models.local_weights import load_local_weights
from dist2_robot.models.picture_encoder import PictureEncoder, imagenet_scale


class ResNetEncoder(PictureEncoder):
    """torchvision's ResNet-18 up to its last map of features, then keypoints: one token.

    From scratch it has group norm. Pretrained it keeps batch norm, frozen at the statistics of the pretraining, since
    those of a batch of demonstrations are not those of one robot.
    """

    def __init__(
        self,
        size: tuple[int, int],
        width: int,
        *,
        keypoints: int = 32,
        weights: str | None = None,
        pretrained: bool = False,
    ) -> None:
        """Args: size: (height, width). width: D. keypoints: How many places.

        weights: A local safetensors file with torchvision's names. pretrained: Whether a checkpoint brings them.

        Raises:
            ValueError: The file is not there, or holds another network.
        """
        from torchvision.models import resnet18
        from torchvision.ops import FrozenBatchNorm2d

        super().__init__(size, tokens=1)
        self._config = {"keypoints": keypoints, "pretrained": pretrained or weights is not None}
        network = resnet18(weights=None, norm_layer=FrozenBatchNorm2d if self._config["pretrained"] else _group_norm)
        network.avgpool = network.fc = nn.Identity()  # type: ignore[assignment]
        if weights is not None:
            load_local_weights(network, weights, ignored=("fc.", "num_batches_tracked"))
        self.network = nn.Sequential(*(part for part in network.children() if not isinstance(part, nn.Identity)))
        self.keypoints = Keypoints(512, keypoints, width)

    def encode(self, pictures: Tensor, told: Tensor | None = None) -> Tensor:
        return self.keypoints(self.network(imagenet_scale(pictures)))

    def config(self) -> dict[str, Any]:
        return {"name": "resnet18", **self._config}


def _group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(16, channels)
