"""A frame predictor fitted to data and not yet trained."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.checkpoints.frame_predictors import build_frame_predictor
from dist2_robot.data.future_windows import FutureWindows
from dist2_robot.policies.frame_predictor import FRAME_PREDICTOR, FramePredictor
from dist2_robot.types import ObservationSpec

_SIZES = ("width", "depth", "attention_heads")


def fresh_frame_predictor(
    config: Mapping[str, Any],
    spec: ActionSpec,
    observation: ObservationSpec,
    windows: FutureWindows,
    codec: Mapping[str, Tensor] | None = None,
) -> FramePredictor:
    """Build a frame predictor, with its codes and normaliser fitted to the frames it is to learn from.

    Args:
        config: ``width``, ``depth``, ``attention_heads``, and ``codec``, the arguments of `PictureVQ` but ``size``.
        spec: What an action is.
        observation: What there is to look at; of pictures only those of the windows' camera count.
        windows: What to learn from.
        codec: The state of a `PictureVQ` that was fitted before; None to fit one.

    Raises:
        InputError: Settings that cannot be.
    """
    camera, numbers = windows.feature, replace(observation, pictures={}, tasks=())
    sizes = {name: config[name] for name in _SIZES}
    settings = {"codec": {"size": observation.pictures[camera], **config["codec"]}, "observation": numbers.to_dict()}
    predictor = build_frame_predictor(
        spec, {"name": FRAME_PREDICTOR, "horizon": windows.horizon, "camera": camera, **settings, **sizes}
    )
    features = windows.table.features
    if codec is None:
        shown = torch.cat([windows.frames, windows.frames + windows.horizon]).unique()
        predictor.codec.fit(features[camera][shown])
    else:
        predictor.codec.load_state_dict(codec)
    predictor.normalizer.fit({name: features[name][windows.frames] for name in numbers.numbers})
    return predictor
