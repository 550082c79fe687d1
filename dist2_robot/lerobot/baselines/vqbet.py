"""VQ-BeT, behaviour from latent actions (Lee et al. 2024, arXiv:2403.03181) by LeRobot's implementation."""

import torch
from lerobot.policies.vqbet.configuration_vqbet import VQBeTConfig
from lerobot.policies.vqbet.modeling_vqbet import VQBeTPolicy
from lerobot.utils.constants import OBS_IMAGES
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.errors import InputError
from dist2_robot.lerobot.baselines.baseline import BaselinePolicy, Body, action_feature
from dist2_robot.lerobot.baselines.inputs import Inputs
from dist2_robot.types import STATE, Observation, ObservationSpec

FIT_BATCH = 256  # chunks of a step that fits the codes
FIT_RATE = 1e-3  # LeRobot's preset


class VQBeTBaseline(BaselinePolicy):
    """Codes of chunks by a residual VQ-VAE, predicted by a small GPT, plus an offset.

    The codes are fitted before the training, as our tokenizers are, and frozen. Its loss has no mask: where an episode
    had ended it learns to repeat the last action.

    Args:
        spec: What an action is.
        observation: What is looked at: numbers and exactly one picture.
        horizon: Steps of a chunk, T.
        width: Of the GPT.
        depth: Its layers.
        heads: Of each attention.
        dropout: In the GPT.
        codes: Of each of the two codebooks.
        code_width: Length of a code.
        code_hidden: Width of the VQ-VAE's layers.
        fit_steps: Steps that fit the codes.
    """

    name = "vqbet"

    def __init__(
        self,
        spec: ActionSpec,
        observation: ObservationSpec,
        *,
        horizon: int,
        width: int,
        depth: int,
        heads: int,
        dropout: float,
        codes: int,
        code_width: int,
        code_hidden: int,
        fit_steps: int,
    ) -> None:
        if len(observation.pictures) != 1 or not observation.numbers:
            raise InputError(
                f"policy=vqbet sees numbers and exactly one picture, got {list(observation.names)}: choose them with "
                "dataset.observations=[...], or take policy=act or policy=diffusion"
            )
        inputs = Inputs(observation, one_vector=True, imagenet=False)
        network = VQBeTPolicy(
            VQBeTConfig(
                input_features=inputs.features,
                output_features=action_feature(spec),
                device="cpu",
                n_obs_steps=1,  # as all others here
                n_action_pred_token=1,
                action_chunk_size=horizon,
                gpt_block_size=8,  # a picture, a state and a query
                gpt_input_dim=width,
                gpt_output_dim=width,
                gpt_hidden_dim=width,
                gpt_n_layer=depth,
                gpt_n_head=heads,
                dropout=dropout,
                vqvae_n_embed=codes,
                vqvae_embedding_dim=code_width,
                vqvae_enc_hidden_dim=code_hidden,
                n_vqvae_training_steps=fit_steps,
                crop_shape=None,
                use_group_norm=True,
                pretrained_backbone_weights=None,  # nothing is fetched
            )
        )
        settings = {
            **{"width": width, "depth": depth, "heads": heads, "dropout": dropout},
            **{"codes": codes, "code_width": code_width, "code_hidden": code_hidden, "fit_steps": fit_steps},
        }
        super().__init__(spec, horizon, Body(inputs, network, network.vqbet), "min_max", settings)

    def fit_actions(self, actions: Tensor, is_padding: Tensor) -> None:
        """Take the scale of actions, then fit the codes to whole chunks (N, T, A) and freeze them."""
        super().fit_actions(actions, is_padding)
        whole = self.scale(self.columns.take(actions[~is_padding.any(dim=1)]))
        head = self.trunk.network.vqbet.action_head
        optimizer = torch.optim.Adam(head.vqvae_model.parameters(), lr=FIT_RATE)
        for _ in range(self.settings["fit_steps"]):
            rows = torch.randint(len(whole), (min(FIT_BATCH, len(whole)),))
            optimizer.zero_grad()
            head.discretize(self.settings["fit_steps"], whole[rows])[0].sum().backward()
            optimizer.step()
        head.vqvae_model.requires_grad_(False)

    def inputs(self, observation: Observation) -> dict[str, Tensor]:
        """Return what the network is given to see: a vector (B, 1, S) and a picture (B, 1, 3, height, width)."""
        return {name: x[:, None] for name, x in super().inputs(observation).items()}

    def predict(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return actions (B, T, A) on the scale of the network, of drawn codes."""
        picture = inputs[next(iter(self.observation.pictures))][:, :, None]  # (B, 1, 1, 3, height, width)
        return self.trunk.network.vqbet({STATE: inputs[STATE], OBS_IMAGES: picture}, rollout=True)
