"""Where to compute."""

import torch

from dist2_robot.errors import InputError


def choose_device(name: str) -> torch.device:
    """Return the device of a name; ``auto`` takes CUDA, else the CPU."""
    if name == "auto":
        # Not Apple's MPS: it has no 64-bit numbers, in which the bin edges are kept.
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device '{name}' cannot be used here ({reason}): choose device=auto or device=cpu") from error
    return device


def use_threads(number: int | None) -> None:
    """Let torch compute with so many threads of the CPU; None leaves it at one a core.

    Raises:
        InputError: There cannot be so many.
    """
    if number is None:
        return
    if number < 1:
        raise InputError(f"threads must be at least 1, got {number}")
    torch.set_num_threads(number)
