"""Where to compute."""

import torch

from dist2_robot.errors import InputError


def choose_device(name: str) -> torch.device:
    """Return the device of a name; ``auto`` takes CUDA, else Apple's MPS, else the CPU."""
    if name == "auto":
        name = next((kind for kind in ("cuda", "mps") if getattr(torch, kind).is_available()), "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device '{name}' cannot be used here ({reason}): choose device=auto or device=cpu") from error
    return device
