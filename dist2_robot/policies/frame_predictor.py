"""What a camera will see once a chunk of actions is done: a transformer over the codes of the later picture.

B batch, T steps of a chunk, L codes of a picture, h x w the grid they lie on, V codes, D width.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.future_windows import NEXT
from dist2_robot.finite import NonFiniteOutputError
from dist2_robot.losses.output import LossOutput
from dist2_robot.models.chunk_transformer import ChunkTransformer
from dist2_robot.models.observation_encoder import ObservationEncoder
from dist2_robot.models.prefix_encoder import PrefixEncoder, check_prefix
from dist2_robot.policies.learner import Learner
from dist2_robot.tokenizers.picture_vq import PictureVQ
from dist2_robot.types import Batch, Observation, Prefix

FRAME_PREDICTOR = "frame_predictor"


class FramePredictor(Learner):
    """Sees a picture as codes and what the robot senses, is told the actions, and writes the later picture's codes.

    The actions come as a whole chunk that is decided (`Observation.prefix`). Each of the L queries is given the codes
    of the present picture round its own cell (two 3 x 3 convolutions) and the code written before it.

    Args:
        spec: What an action is.
        horizon: T.
        camera: Name of the pictures.
        codec: Between pictures and codes; frozen, and part of the weights.
        encoder: Makes tokens of the numbers that are sensed, of width D.
        width: D.
        depth: Transformer blocks.
        attention_heads: Heads of each block.
    """

    trunk: ChunkTransformer

    def __init__(
        self,
        spec: ActionSpec,
        horizon: int,
        camera: str,
        codec: PictureVQ,
        encoder: ObservationEncoder,
        *,
        width: int,
        depth: int,
        attention_heads: int,
    ) -> None:
        sizes = {"width": width, "depth": depth, "attention_heads": attention_heads}
        actions = PrefixEncoder(spec, width, horizon)
        super().__init__(spec, horizon, ChunkTransformer(encoder, codec.tokens, **sizes, causal=True, prefix=actions))
        self.camera, self.codec, self.sizes = camera, codec, sizes
        self.now = nn.Embedding(codec.vocab_size, width)
        self.around = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.GELU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.before = nn.Embedding(codec.vocab_size, width)
        self.head = nn.Linear(width, codec.vocab_size)

    def config(self) -> dict[str, Any]:
        """Return plain values from which the same module is built anew, given the action spec."""
        return {
            "name": FRAME_PREDICTOR,
            "horizon": self.horizon,
            "camera": self.camera,
            "codec": self.codec.config(),
            "observation": self.trunk.encoder.observation.to_dict(),
            **self.sizes,
        }

    def loss(self, loss: nn.Module, batch: Batch) -> LossOutput:
        """Return a loss over codes of the predicted logits against those of the later picture."""
        codes = self.codec.encode(batch.observation.features[NEXT + self.camera])
        return loss(self(told(batch), codes), codes)

    def count(self, batch: Batch) -> Tensor:
        """Return how many codes the loss of a batch is a mean of."""
        return torch.tensor(len(batch.actions) * self.codec.tokens, device=batch.actions.device)

    def forward(self, observation: Observation, codes: Tensor) -> Tensor:
        """Return logits (B, L, V), each given the right codes (B, L) before it. Raises ValueError as `predict`."""
        before = nn.functional.pad(self.before(codes[:, :-1]), (0, 0, 1, 0))  # nothing was written before the first
        return self.head(self.trunk(observation, self._look(observation) + before))

    @torch.no_grad()
    def predict(self, observation: Observation, generator: torch.Generator | None = None) -> Tensor:
        """Write the codes (B, L) of the later picture, one after the other.

        Args:
            observation: What is seen, and as ``prefix`` all T actions.
            generator: Of draws from the distribution of each code; None for the most probable code each.

        Raises:
            ValueError: An input is missing, has another shape or is not finite, or a logit is not finite.
        """
        looks = self._look(observation)
        cache, chosen = self.trunk.begin(observation), []
        for place in range(self.codec.tokens):
            inputs = looks[:, place] + (self.before(chosen[-1]) if chosen else 0)
            logits = self.head(self.trunk.extend(place, inputs, cache))  # (B, V)
            if not torch.isfinite(logits).all():
                raise NonFiniteOutputError("the frame predictor gave logits that are not finite")
            if generator is None:
                chosen.append(logits.argmax(-1))
            else:
                chosen.append(torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0])
        return torch.stack(chosen, dim=1)

    def _look(self, observation: Observation) -> Tensor:
        """Return what each query is given of the present picture, (B, L, D)."""
        prefix = observation.prefix
        if prefix is None or not bool((prefix.steps == self.horizon).all()):
            raise ValueError(f"a frame predictor is told all {self.horizon} actions of the chunk, as prefix")
        check_prefix(prefix, observation.batch_size, len(self.spec), self.horizon)
        if self.camera not in observation.features:
            raise ValueError(f"'{self.camera}' is missing")
        now = self.now(self.codec.encode(observation.features[self.camera]))  # (B, L, D)
        return self.around(now.movedim(-1, 1).unflatten(-1, self.codec.grid)).flatten(2).movedim(1, -1)


def told(batch: Batch) -> Observation:
    """Return what is observed, with the whole chunk of actions as decided."""
    steps = torch.full((len(batch.actions),), batch.actions.shape[1], device=batch.actions.device)
    return replace(batch.observation, prefix=Prefix(batch.actions, steps))
