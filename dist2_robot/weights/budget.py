"""How large a thing may become while it is built from plain values that anyone may have written.

What a manifest or a config declares is compared with its weights only once the module is there. A depth of 10^9 or a
width of 40000 beside a few hundred weights must not take the memory of the machine before that.
"""

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.utils._python_dispatch import TorchDispatchMode

from dist2_robot.errors import InputError
from dist2_robot.weights.tensor_file import Entry

# Beside what is in the file: tables that are worked out, such as distances of all tokens at all positions.
LARGEST_TENSOR = 2**28
# Weights that are made and left out again, such as the classifier of a network or the output of a language model.
SPARE, SPARE_NUMBERS, SPARE_TENSORS = 4, 2**22, 256
# Of random weights, 8 GiB: a larger network is not trained from scratch on demonstrations.
MOST_RANDOM_NUMBERS, MOST_RANDOM_TENSORS = 2**31, 2**14


@contextmanager
def building_budget(header: Mapping[str, Entry] | None) -> Iterator[None]:
    """Within it, a module that outgrows the weights of its file is refused before their memory is taken.

    Args:
        header: What the file of the weights declares; None where they are random.

    Raises:
        InputError: More weights are made than the file can have, or a tensor of more numbers than anything needs.
    """
    if header is None:
        numbers, tensors = MOST_RANDOM_NUMBERS, MOST_RANDOM_TENSORS
        reason = f"a larger network than is made of random weights, at most {tensors} tensors of {numbers} numbers"
    else:
        there = sum(entry.count for entry in header.values())
        numbers, tensors = SPARE * there + SPARE_NUMBERS, SPARE * len(header) + SPARE_TENSORS
        reason = f"a larger network than its weights are of: the file has {len(header)} tensors of {there} numbers"
    thread, made = threading.get_ident(), [0, 0]

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is None or threading.get_ident() != thread:
            return
        replaced = module._parameters.get(name)
        made[0] += parameter.numel() - (0 if replaced is None else replaced.numel())
        made[1] += replaced is None
        if made[0] > numbers or made[1] > tensors:
            raise InputError(f"it describes {reason}")

    hook = register_module_parameter_registration_hook(count)  # type: ignore[arg-type]  # what is None too
    try:
        with _NoLargeTensors(max(numbers, LARGEST_TENSOR)):
            yield
    finally:
        hook.remove()


class _NoLargeTensors(TorchDispatchMode):
    """Refuses operations whose sizes are given, or that broadcast, before they take memory."""

    def __init__(self, largest: int) -> None:
        super().__init__()
        self.largest = largest

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        size = max(_given_size(func, args), _broadcast_size(func, args))
        if size > self.largest:
            raise InputError(f"it describes a tensor of {size} numbers, at most {self.largest} are made")
        return func(*args, **(kwargs or {}))


def _given_size(func: Any, args: Any) -> int:
    """Return how many numbers an operation makes that is told a size, or an end to count to."""
    sizes = [x for x in args if isinstance(x, list | tuple) and x and all(type(n) is int for n in x)]
    name = func.overloadpacket.__name__
    if name == "repeat":
        return args[0].numel() * math.prod(args[1])
    if name == "arange":
        numbers = [x for x in args if isinstance(x, int | float)]
        start, end, step = (0, *numbers, 1) if len(numbers) == 1 else (*numbers, 1)[:3]
        return int(abs((end - start) / step))
    if name in ("linspace", "eye") and len(args) > 1:
        sizes = [[x for x in args[2 if name == "linspace" else 0 :] if type(x) is int]]
    return max((math.prod(size) for size in sizes if min(size) >= 0), default=0)


def _broadcast_size(func: Any, args: Any) -> int:
    tensors = [x for x in args if isinstance(x, Tensor)]
    if len(tensors) < 2 or torch.Tag.pointwise not in func.tags:
        return 0
    return math.prod(torch.broadcast_shapes(*(x.shape for x in tensors)))
