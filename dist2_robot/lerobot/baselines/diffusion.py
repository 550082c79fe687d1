"""Diffusion policy (Chi et al. 2023, arXiv:2303.04137) by LeRobot's implementation."""

from collections.abc import Sequence

import torch
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
from lerobot.utils.constants import OBS_IMAGES
from torch import Tensor, nn

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.errors import InputError
from dist2_robot.lerobot.baselines.baseline import BaselinePolicy, Body, action_feature
from dist2_robot.lerobot.baselines.inputs import Inputs
from dist2_robot.types import Observation, ObservationSpec

VECTORS = ("observation.state", "observation.environment_state")


class DiffusionBaseline(BaselinePolicy):
    """Denoises a chunk by a one-dimensional U-Net; mean squared error of the noise, where a chunk is no padding.

    Args:
        spec: What an action is.
        observation: What is looked at, numbers among it.
        horizon: Steps of a chunk, T; a multiple of 2 to the number of ``widths``.
        widths: Channels of the stages of the U-Net, each at half the time steps of the one before.
        kernel: Steps of time that a convolution sees.
        groups: Of the group norms.
        step_width: Length of the embedding of a diffusion step.
        scheduler: ``DDIM``, whose steps draw nothing, or ``DDPM``.
        train_steps: Diffusion steps of the training.
        act_steps: Of them, evenly spaced, those taken to act.
    """

    name = "diffusion"

    def __init__(
        self,
        spec: ActionSpec,
        observation: ObservationSpec,
        *,
        horizon: int,
        widths: Sequence[int],
        kernel: int,
        groups: int,
        step_width: int,
        scheduler: str,
        train_steps: int,
        act_steps: int,
    ) -> None:
        inputs = Inputs(observation, one_vector=False, imagenet=True)
        if not inputs.size:
            raise InputError("policy=diffusion needs observed numbers besides pictures: add them to the observations")
        network = DiffusionPolicy(
            DiffusionConfig(
                input_features=inputs.features,
                output_features=action_feature(spec),
                device="cpu",
                n_obs_steps=1,  # as all others here; with it the chunk begins now
                horizon=horizon,
                n_action_steps=horizon,
                down_dims=tuple(widths),
                kernel_size=kernel,
                n_groups=groups,
                diffusion_step_embed_dim=step_width,
                noise_scheduler_type=scheduler,
                num_train_timesteps=train_steps,
                num_inference_steps=act_steps,
                do_mask_loss_for_padding=True,  # as all others here
                use_group_norm=True,
                pretrained_backbone_weights=None,  # nothing is fetched
            )
        )
        settings = {
            **{"widths": list(widths), "kernel": kernel, "groups": groups, "step_width": step_width},
            **{"scheduler": scheduler, "train_steps": train_steps, "act_steps": act_steps},
        }
        unet = network.diffusion.unet
        assert isinstance(unet, nn.Module), "it is a function only if LeRobot compiles it, which is not asked of it"
        super().__init__(spec, horizon, Body(inputs, network, unet), "min_max", settings)

    def inputs(self, observation: Observation) -> dict[str, Tensor]:
        """Return what the network is given to see: vectors (B, 1, S) and pictures (B, 3, height, width)."""
        return {name: x[:, None] if name in VECTORS else x for name, x in super().inputs(observation).items()}

    def predict(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return actions (B, T, M) on the scale of the network, denoised from a draw."""
        pictures = [inputs[name] for name in self.observation.pictures]
        if pictures:
            inputs = {**inputs, OBS_IMAGES: torch.stack(pictures, dim=1)[:, None]}  # (B, 1, cameras, 3, height, width)
        state = inputs[VECTORS[0]]
        # Drawn on the CPU, so that a seed gives the same chunk on every device.
        noise = torch.randn(len(state), self.horizon, len(self.columns.spec)).to(state.device, state.dtype)
        return self.trunk.network.diffusion.generate_actions(inputs, noise=noise)
