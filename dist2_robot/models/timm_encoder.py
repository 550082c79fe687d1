"""Any image model of the package timm. N pictures, P tokens of a picture, C channels, D width."""

import re
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.errors import did_you_mean
from dist2_robot.models.keypoints import Keypoints
from dist2_robot.models.local_weights import load_local_weights
from dist2_robot.models.picture_encoder import PictureEncoder, imagenet_scale

_NAME = re.compile(r"\w+(\.\w+)?", re.ASCII)  # with what it was pretrained on, or without


class TimmEncoder(PictureEncoder):
    """A model by its name, up to its features: a map becomes keypoints, one token; patches become a token each.

    Nothing is downloaded: weights come from a local file. Batch norm stays what the model has.
    """

    def __init__(
        self,
        size: tuple[int, int],
        width: int,
        *,
        model: str,
        keypoints: int = 32,
        weights: str | None = None,
    ) -> None:
        """Args: size: (height, width). width: D. model: timm's name. keypoints: How many places, for a map.

        weights: A local safetensors file with timm's names; None to start from scratch, or where a checkpoint has them.

        Raises:
            ValueError: timm is not installed, has no such model, or the file does not fit it.
        """
        try:
            import timm
        except ModuleNotFoundError as error:
            raise ValueError("timm is not installed: pip install 'dist2-robot[timm]'") from error
        # create_model would also take hf-hub:NAME and local-dir:PATH, and read what it finds there.
        if not isinstance(model, str) or not timm.is_model(model.partition(".")[0]) or not _NAME.fullmatch(model):
            raise ValueError(f"timm has no model '{model}'.{did_you_mean(str(model), timm.list_models())}")
        try:
            network: Any = timm.create_model(model, pretrained=False, num_classes=0)
        except RuntimeError as error:
            raise ValueError(f"timm has no model '{model}' ({' '.join(str(error).split())})") from error
        if hasattr(network, "set_input_size"):
            network.set_input_size(img_size=tuple(size))
        if weights is not None:
            load_local_weights(network, weights, ignored=("fc.", "head.", "classifier."))
        with torch.no_grad():
            features = network.eval().forward_features(torch.zeros(1, 3, *size))
        is_map = features.ndim == 4
        super().__init__(size, tokens=1 if is_map else features.shape[1])
        self._config = {"model": model, "keypoints": keypoints}
        self.network = network.train()
        self._channels_last = is_map and features.shape[-1] == network.num_features != features.shape[1]
        channels = network.num_features
        self.output = Keypoints(channels, keypoints, width) if is_map else nn.Linear(channels, width)

    def encode(self, pictures: Tensor, told: Tensor | None = None) -> Tensor:
        features = self.network.forward_features(imagenet_scale(pictures))
        return self.output(features.movedim(-1, 1) if self._channels_last else features)

    def config(self) -> dict[str, Any]:
        return {"name": "timm", **self._config}
