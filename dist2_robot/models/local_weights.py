"""Pretrained weights from a file on this machine."""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from dist2_robot.weights.tensor_file import load_tensors


def load_local_weights(network: nn.Module, path: str, ignored: Sequence[str]) -> None:
    """Give a network the weights of a safetensors file, all of them.

    Args:
        network: Of the same names.
        path: The file.
        ignored: Parts of names of tensors that the network need not have, such as a classifier's.

    Raises:
        ValueError: The file is not there, is none, or holds another network.
    """
    try:
        tensors = load_tensors(Path(path))
    except OSError as error:
        raise ValueError(f"weights '{path}' are not a file ({error}): mend vision.weights") from error
    except ValueError as error:
        raise ValueError(f"weights '{path}' are not a safetensors file ({error}): mend vision.weights") from error
    expected = network.state_dict()
    given = {name: tensor for name, tensor in tensors.items() if not any(part in name for part in ignored)}
    needed = {name for name in expected if not any(part in name for part in ignored)}
    odd = sorted(set(given) ^ needed) or [name for name in given if given[name].shape != expected[name].shape]
    if odd:
        raise ValueError(f"weights '{path}' do not fit the network in {odd[:4]}, {len(odd)} tensors in all")
    network.load_state_dict(given, strict=False)
