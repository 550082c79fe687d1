"""The weights in a local folder of Hugging Face bound what its config may describe."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.models.model_folder import CONFIG_FILE
from dist2_robot.weights.budget import building_budget
from dist2_robot.weights.tensor_file import Entry, read_header

_SHOWN = 3


@contextmanager
def folder_budget(path: str | Path, config: Mapping[str, Any], *, pretrained: bool = True) -> Iterator[None]:
    """Within it, a network that outgrows the weights in a folder is refused before its memory is taken.

    Args:
        path: The folder.
        config: The content of its config.json.
        pretrained: Whether the weights are those in the folder; else they are random.

    Raises:
        ValueError: The header of a file of weights cannot be read.
        InputError: The network is larger. It says what the largest numbers of the config are, not where it lies.
    """
    try:
        with building_budget(_header(Path(path)) if pretrained else None):
            yield
    except InputError as error:
        largest = sorted(_numbers(config), key=lambda entry: -entry[1])[:_SHOWN]
        told = ", ".join(f"{key}={number}" for key, number in largest)
        raise InputError(f"{CONFIG_FILE}: {error}; its largest numbers are {told}") from error


def _header(folder: Path) -> dict[str, Entry]:
    """Return what all files of weights in a folder declare together: large models come in many."""
    header: dict[str, Entry] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            header |= read_header(path)
        except (OSError, ValueError) as error:
            raise ValueError(f"'{path}' cannot be read: {error}") from error
    return header


def _numbers(content: Any, name: str = "") -> Iterator[tuple[str, int]]:
    """Yield all whole numbers of a config, each with the nearest name above it."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _numbers(value, str(key))
    elif isinstance(content, list):
        for value in content:
            yield from _numbers(value, name)
    elif isinstance(content, int) and not isinstance(content, bool):
        yield name, content
