"""Frame predictors, from plain values and from checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.checkpoints.registry import build_observation_encoder
from dist2_robot.checkpoints.store import load_module
from dist2_robot.errors import InputError
from dist2_robot.policies.frame_predictor import FRAME_PREDICTOR, FramePredictor
from dist2_robot.tokenizers.picture_vq import PictureVQ
from dist2_robot.types import Observation, Prefix

ACTIONS, CODES = "actions", "tokens"  # in the golden file


def build_frame_predictor(
    spec: ActionSpec, config: Mapping[str, Any], fitted: Mapping[str, Tensor] | None = None
) -> FramePredictor:
    """Build a frame predictor with fresh weights from its `config()`; ``fitted`` is there for `load_module`."""
    arguments = dict(config)
    if (name := arguments.pop("name", None)) != FRAME_PREDICTOR:
        raise InputError(f"'{name}' predicts no frames: train with policy={FRAME_PREDICTOR}")
    seen = {"observation": arguments.pop("observation", None), "vision": None, "instruction": None}
    try:
        codec = PictureVQ(**arguments.pop("codec"))
        encoder = build_observation_encoder(seen, arguments["width"])
        return FramePredictor(spec, codec=codec, encoder=encoder, **arguments)
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InputError(f"policy '{FRAME_PREDICTOR}': {' '.join(str(error).split())}") from error


def load_frame_predictor(checkpoint: Path | str, device: str = "cpu") -> tuple[FramePredictor, Manifest]:
    """Load a frame predictor from a checkpoint folder or a run folder."""
    return load_module(checkpoint, build_frame_predictor, device)


def golden_codes(predictor: FramePredictor, told: Observation) -> dict[str, Tensor]:
    """Return what is seen and told, and the most probable codes as ``tokens``, for others to check."""
    assert told.prefix is not None
    names = (*predictor.trunk.encoder.observation.names, predictor.camera)
    answer = predictor.predict(told)
    return {ACTIONS: told.prefix.actions, CODES: answer, **{name: told.features[name] for name in names}}


def check_golden_codes(predictor: FramePredictor, golden: Mapping[str, Tensor]) -> int:
    """Return how many of the codes the frame predictor writes differently now."""
    actions = golden[ACTIONS]
    seen = {name: x for name, x in golden.items() if name not in (ACTIONS, CODES)}
    prefix = Prefix(actions, torch.full((len(actions),), actions.shape[1]))
    told = Observation(seen, prefix=prefix).to(predictor.head.weight.device)
    return int((predictor.predict(told).cpu() != golden[CODES]).sum())
