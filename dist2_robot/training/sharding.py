"""Weights shared out among processes, so that none has to hold all of them (FSDP; Zhao et al. 2023, arXiv:2304.11277).

Parameters are then `DTensor`s; what is saved and restored is whole.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def share_out(model: nn.Module, blocks: Iterable[nn.Module], device: torch.device, processes: int) -> FSDPModule:
    """Share the weights of a model out, block by block and then the rest; each is whole only while it computes."""
    mesh = init_device_mesh(device.type, (processes,))
    for block in blocks:
        fully_shard(block, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor as one process would hold it; all processes must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def shared_like(tensor: Tensor, other: Tensor) -> Tensor:
    """Return a whole tensor on the device of another one, and shared out as that is."""
    tensor = tensor.to(other.device)
    if isinstance(other, DTensor) and tensor.shape == other.shape:
        return distribute_tensor(tensor, other.device_mesh, other.placements)
    return tensor
