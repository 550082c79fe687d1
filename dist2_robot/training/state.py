"""Everything that a training must have to go on as if it had never stopped, as named tensors."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dist2_robot.training.ema import WeightAverage, trained
from dist2_robot.training.sharding import shared_like, whole

STATE_FILE = "training.safetensors"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def training_state(module: nn.Module, optimizer: torch.optim.Optimizer, average: WeightAverage) -> dict[str, Tensor]:
    """Return weights, moments of the optimiser, and the update count of the average.

    The averaged weights themselves are the model file of the checkpoint. What is drawn at random in a step is a
    function of seed and step, so there is no such state.
    """
    tensors: dict[str, Tensor] = {f"weights.{name}": whole(parameter) for name, parameter in trained(module)}
    for name, parameter in trained(module):
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer.{key}.{name}"] = whole(value)
    tensors["average.updates"] = torch.tensor(average.updates)
    return tensors


def check_training_state(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Raise ValueError, naming the tensors, unless `restore_training_state` can use them."""
    expected = {"average.updates": torch.Size(())}
    dtypes = {name: parameter.dtype for name, parameter in trained(module)}
    for name, parameter in trained(module):
        expected[f"weights.{name}"] = parameter.shape
        if any(f"optimizer.{key}.{name}" in tensors for key in _MOMENTS):
            shapes = (torch.Size(()), parameter.shape, parameter.shape)
            expected |= {f"optimizer.{key}.{name}": shape for key, shape in zip(_MOMENTS, shapes, strict=True)}
    odd = [name for name, shape in expected.items() if name not in tensors or tensors[name].shape != shape]
    odd += [name for name in expected if name not in odd and not _is_typed(name, tensors[name], dtypes)]
    if odd:
        raise ValueError(f"'{STATE_FILE}' does not fit in {odd[:5]}")


def _is_typed(name: str, tensor: Tensor, dtypes: Mapping[str, torch.dtype]) -> bool:
    """Tell whether a tensor has the type of its weight; steps are numbers of any real type, updates whole ones."""
    if name == "average.updates":
        return tensor.dtype == torch.int64
    if name.startswith("optimizer.step."):
        return tensor.dtype in (torch.float32, torch.float64)
    return (
        tensor.dtype
        == dtypes[
            name.removeprefix("weights.")
            .removeprefix("optimizer.")
            .removeprefix("exp_avg_sq.")
            .removeprefix("exp_avg.")
        ]
    )


@torch.no_grad()
def restore_training_state(
    module: nn.Module, optimizer: torch.optim.Optimizer, average: WeightAverage, tensors: dict[str, Tensor]
) -> None:
    """Undo `training_state`. The module holds the averaged weights when this is called, as `load_policy` left it."""
    for name, parameter in trained(module):
        average.average[name].copy_(parameter)
        parameter.copy_(shared_like(tensors[f"weights.{name}"], parameter))
        # On the parameter's device all of them, the step count too: AdamW is fused.
        keys = [key for key in _MOMENTS if f"optimizer.{key}.{name}" in tensors]  # none before the first real step
        if keys:
            moments = {key: shared_like(tensors[f"optimizer.{key}.{name}"], parameter) for key in keys}
            optimizer.state[parameter] = moments
    average.updates = int(tensors["average.updates"])
