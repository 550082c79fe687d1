"""A policy traced by torch.export, from the checkpoint that its folder holds.

torch.export.save writes archives whose reading may unpickle (``torch.export.load`` says so itself, torch 2.11), so
none is written: the trace is made anew, which takes some seconds, from weights in safetensors.
"""

from collections.abc import Mapping

import numpy as np
import torch

from dist2_robot.checkpoints.store import load_policy
from dist2_robot.deploy.forms.exported_folder import CHECKPOINT_FOLDER, ExportedFolder
from dist2_robot.deploy.forms.policy_graph import trace
from dist2_robot.errors import InputError


class TorchExportRunner:
    """Computes the traced graph with torch's own operations."""

    def __init__(self, exported: ExportedFolder, device: str = "cpu") -> None:
        """Args: exported: Its folder. device: ``cpu``; there is no other."""
        if device != "cpu":
            raise InputError(f"form=torch_export computes on the CPU only, got {device}: use form=eager, or device=cpu")
        policy, _ = load_policy(exported.folder / CHECKPOINT_FOLDER)
        graph, program = trace(policy)
        self._inputs, self._outputs = graph.inputs, graph.outputs
        self._module = program.module()

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        with torch.inference_mode():
            out = self._module(*(torch.from_numpy(inputs[name]) for name in self._inputs))
        return {name: x.numpy() for name, x in zip(self._outputs, out, strict=True)}
