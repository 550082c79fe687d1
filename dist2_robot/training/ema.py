"""The moving average of the weights: steadier than the weights of any one step."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dist2_robot.training.sharding import whole


class WeightAverage:
    """``average = d * average + (1 - d) * weights``, with ``d = min(decay, (1 + n) / (10 + n))`` at update n.

    The rise of d keeps the random start out of short trainings. Frozen weights are their own average and are left out.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.average = {name: parameter.detach().clone() for name, parameter in trained(module)}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take in the present weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        present: list[Tensor] = [parameter for _, parameter in trained(module)]
        torch._foreach_lerp_(list(self.average.values()), present, 1 - decay)  # type: ignore[attr-defined]
        self.updates += 1

    def state(self, module: nn.Module) -> dict[str, Tensor]:
        """Return the module's whole state with the averaged weights in place of the present ones."""
        return {name: whole(tensor) for name, tensor in {**module.state_dict(), **self.average}.items()}


def trained(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield the parameters that are trained, with their names."""
    return ((name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad)
