"""Action chunking with transformers (Zhao et al. 2023, arXiv:2304.13705) by LeRobot's implementation."""

from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.utils.constants import OBS_IMAGES
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.lerobot.baselines.baseline import BaselinePolicy, Body, action_feature
from dist2_robot.lerobot.baselines.inputs import Inputs
from dist2_robot.types import ObservationSpec


class ACTBaseline(BaselinePolicy):
    """Mean absolute error of a chunk, and with a VAE ``kl_weight`` times the divergence of its latent.

    Args:
        spec: What an action is.
        observation: What is looked at.
        horizon: Steps of a chunk, T.
        width: Of the transformers.
        heads: Of each attention.
        feedforward: Width of the feed-forward layers.
        encoder_layers: Of the transformer that looks.
        decoder_layers: Of the one that acts.
        dropout: In both.
        use_vae: Whether a further transformer encodes the demonstrated chunk as a latent, in training only.
        latent: Length of the latent.
        vae_layers: Of that transformer.
        kl_weight: Of the divergence.
    """

    name = "act"

    def __init__(
        self,
        spec: ActionSpec,
        observation: ObservationSpec,
        *,
        horizon: int,
        width: int,
        heads: int,
        feedforward: int,
        encoder_layers: int,
        decoder_layers: int,
        dropout: float,
        use_vae: bool,
        latent: int,
        vae_layers: int,
        kl_weight: float,
    ) -> None:
        inputs = Inputs(observation, one_vector=False, imagenet=True)
        network = ACTPolicy(
            ACTConfig(
                input_features=inputs.features,
                output_features=action_feature(spec),
                device="cpu",
                chunk_size=horizon,
                n_action_steps=horizon,
                dim_model=width,
                n_heads=heads,
                dim_feedforward=feedforward,
                n_encoder_layers=encoder_layers,
                n_decoder_layers=decoder_layers,
                dropout=dropout,
                use_vae=use_vae,
                latent_dim=latent,
                n_vae_encoder_layers=vae_layers,
                kl_weight=kl_weight,
                pretrained_backbone_weights=None,  # nothing is fetched
            )
        )
        settings = {
            **{"width": width, "heads": heads, "feedforward": feedforward},
            **{"encoder_layers": encoder_layers, "decoder_layers": decoder_layers, "dropout": dropout},
            **{"use_vae": use_vae, "latent": latent, "vae_layers": vae_layers, "kl_weight": kl_weight},
        }
        super().__init__(spec, horizon, Body(inputs, network, network.model), "mean_std", settings)

    def predict(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return actions (B, T, A) on the scale of the network."""
        pictures = [inputs[name] for name in self.observation.pictures]
        return self.trunk.network.model({**inputs, **({OBS_IMAGES: pictures} if pictures else {})})[0]
