"""Trains a frame predictor on recorded pictures and measures what it predicts of held-out episodes.

All methods of a seed and size get the same episodes, codes, weights to begin with, and order.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.data.batches import BatchStream
from dist2_robot.data.folder import open_folder
from dist2_robot.data.future_windows import NEXT, FutureWindows
from dist2_robot.data.picture_cache import default_cache, read_pictures
from dist2_robot.data.recorded_spec import recorded_spec
from dist2_robot.data.split import split_episodes
from dist2_robot.data.table import FrameTable, read_table
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.evaluation.frame_measures import frechet_distance, place_error, psnr, random_features
from dist2_robot.losses.dist2 import Dist2Loss
from dist2_robot.policies.frame_predictor import FramePredictor, told
from dist2_robot.seeding import stream_seed
from dist2_robot.tokenizers.picture_vq import PictureVQ
from dist2_robot.tracking.protocol import Trackers
from dist2_robot.training.config import TrainerConfig
from dist2_robot.training.fresh_frame_predictor import fresh_frame_predictor
from dist2_robot.training.trainer import Trainer
from dist2_robot.types import ACTION, ObservationSpec
from dist2_robot.weights.tensor_file import load_tensors

SENSED = "observation.state"
MEMORY_GB = 2.0
PART = 256  # held-out windows that are predicted at a time
SAME_MASS = "same_mass"  # the epsilon that moves as much mass off the true code as another loss does


def predict_frames(settings: Mapping[str, Any], size: int, seed: int, codecs: Path) -> dict[str, float]:
    """Train for `size` steps, and return the errors of predicted held-out pictures.

    Args:
        settings: ``loss`` as for the registry (or ``rule``: without learning), and the data, sizes and rates of
            conf/study/claim_frames.yaml.
        size: Steps of the optimiser.
        seed: Of which episodes are held out, and of everything else.
        codecs: Folder in which the codes of each seed are kept once they are learned.
    """
    table, spec = _recorded(settings["root"], settings["camera"], settings["image_size"])
    episodes = split_episodes(table.episodes, settings["held_out"], seed)
    training, held_out = (
        FutureWindows(ChunkWindows(table, table.frames_of(some), settings["horizon"]), settings["camera"])
        for some in episodes
    )
    torch.manual_seed(stream_seed(seed, "train"))
    predictor = _fresh(settings, spec, training, seed, codecs)
    if "rule" in settings:
        return _without_learning(settings["rule"], predictor.codec, held_out)
    loss = build_loss(predictor.codec, _settled(settings["loss"], predictor.codec))
    found: dict[str, float] = {}

    def measure(averaged: FramePredictor) -> dict[str, float]:
        found.update(_measure(averaged, held_out, seed))
        return found

    trainer = Trainer(
        predictor,
        loss,
        TrainerConfig(
            steps=size,
            warmup_steps=max(1, size // 20),
            batch_size=settings["batch_size"],
            learning_rate=settings["learning_rate"],
            weight_decay=1e-4,
            gradient_clip=1.0,
            ema_decay=0.99,
            log_every=size,
            validate_every=0,
            save_every=0,
            evaluate_every=0,
        ),
        tracker=Trackers(),
        validate=measure,
        evaluate=None,
        save=lambda *_: None,
        seed=seed,
    )
    trainer.run(BatchStream(training, settings["batch_size"], seed).from_step(0))
    return found


def moved_mass(loss: Dist2Loss, codec: PictureVQ) -> float:
    """Return the mass that the minimiser of a loss takes off the true code, on average over codes.

    Of ``(ce_weight * onehot + alpha * p_d) / (ce_weight + alpha)``.
    """
    kept = loss.target(torch.arange(codec.vocab_size)[:, None])[:, 0].diagonal()
    return float(loss.alpha / (loss.ce_weight + loss.alpha) * (1 - kept.double().mean()))


@lru_cache(maxsize=1)
def _recorded(root: str, camera: str, image_size: int) -> tuple[FrameTable, ActionSpec]:
    """Return all frames of a dataset with the pictures of one camera, and what its actions are."""
    folder = open_folder(Path(root))
    table = read_table(folder, [SENSED])
    size = (image_size, image_size)
    table.features[camera] = read_pictures([folder], [None], camera, size, memory_gb=MEMORY_GB, cache=default_cache())
    return table, recorded_spec(folder, table.features[ACTION])


def _fresh(
    settings: Mapping[str, Any], spec: ActionSpec, windows: FutureWindows, seed: int, codecs: Path
) -> FramePredictor:
    """Return a predictor not yet trained; codes are learned once a seed, by whichever trial comes first."""
    kept, camera = codecs / f"seed{seed}.safetensors", windows.feature
    sensed, pictures = windows.table.features[SENSED], windows.table.features[camera]
    seen = ObservationSpec({SENSED: sensed.shape[1]}, {camera: (pictures.shape[1], pictures.shape[2])})
    config = {**settings, "codec": {**settings["codec"], "seed": seed}}
    predictor = fresh_frame_predictor(config, spec, seen, windows, load_tensors(kept) if kept.exists() else None)
    if not kept.exists():
        codecs.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".unfinished")
        save_file(predictor.codec.state_dict(), unfinished)
        unfinished.replace(kept)
    return predictor


def _settled(loss: Mapping[str, Any], codec: PictureVQ) -> dict[str, Any]:
    """Return a loss in which ``epsilon: same_mass`` is a number: what moves as much mass as the loss ``mass_of``."""
    if loss.get("epsilon") != SAME_MASS:
        return dict(loss)
    other = build_loss(codec, loss["mass_of"])
    assert isinstance(other, Dist2Loss)
    falls_back = 1 / codec.vocab_size  # the share of what is spread evenly that the true code itself gets
    return {"name": loss["name"], "epsilon": moved_mass(other, codec) / (1 - falls_back)}


@torch.no_grad()
def _measure(predictor: FramePredictor, windows: FutureWindows, seed: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(stream_seed(seed, "evaluate"))
    chosen, drawn, truth, nats = [], [], [], []
    for some in torch.arange(len(windows)).split(PART):
        batch = windows.gather(some)
        truth.append(batch.observation.features[NEXT + windows.feature])
        codes = predictor.codec.encode(truth[-1])
        logits = predictor(told(batch), codes)
        nats.append(torch.nn.functional.cross_entropy(logits.flatten(0, 1), codes.flatten()) * len(some))
        chosen.append(predictor.predict(told(batch)))
        drawn.append(predictor.predict(told(batch), generator))
    decode, true = predictor.codec.decode, torch.cat(truth)
    predicted, sampled = decode(torch.cat(chosen)), decode(torch.cat(drawn))
    return {
        **_errors(predicted, sampled, true),
        "exact": float((torch.cat(chosen) == predictor.codec.encode(true)).double().mean()),
        "nats": float(torch.stack(nats).sum() / len(windows)),
    }


def _without_learning(rule: str, codec: PictureVQ, windows: FutureWindows) -> dict[str, float]:
    """Measure a rule: ``present`` predicts that nothing changes, ``codes`` knows the right codes."""
    features, later = windows.table.features[windows.feature], windows.frames + windows.horizon
    true, codes = features[later], codec.encode(features[windows.frames if rule == "present" else later])
    pictures = codec.decode(codes)
    exact = float((codes == codec.encode(true)).double().mean())
    return {**_errors(pictures, pictures, true), "exact": exact}


def _errors(predicted: Tensor, sampled: Tensor, true: Tensor) -> dict[str, float]:
    return {
        "frechet": frechet_distance(random_features(sampled), random_features(true)),
        "psnr": psnr(predicted, true),
        "place": place_error(predicted, true),
        "place_sampled": place_error(sampled, true),
    }
