"""What a local folder of Hugging Face says of its model. Nothing of it is ever executed."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dist2_robot.files import MIB, read_bytes, regular
from dist2_robot.json_file import read_json

CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.json"
MAX_TOKENIZER_BYTES = 256 * MIB
_VOCABULARIES = ("vocab.json", "added_tokens.json", "special_tokens_map.json")  # words, among which is any word
_WORDS = (".json", ".txt", ".model")  # endings of files in which tokenizers keep words
MAX_LISTED = 2**15  # layers and labels, of which configs make lists before there is a network to be measured
_LISTED = ("layer", "label")  # what the names of their numbers hold
_BITS = 1024  # the longest text of a tokenizer without a limit is written as 10^30

# Each would bring in code or weights from elsewhere, or needs a library that we do not use.
_REFUSED = {
    "auto_map": "code of its own, which is never run",
    "quantization_config": "quantised weights, which cannot be trained here: use the original ones",
}
# Where attention is computed by whatever it names, be it a kernel from the hub; transformers chooses without it.
_DROPPED = ("attn_implementation", "experts_implementation")


def read_model_config(path: str | Path) -> dict[str, Any]:
    """Return the content of the config.json of a folder. Raises ValueError where there is none that we would use."""
    folder = Path(path)
    if not folder.is_dir():
        raise ValueError(f"'{path}' is not a folder with a language model: download one first, it is never fetched")
    if (folder / "adapter_config.json").exists():
        raise ValueError(f"'{path}' holds adapters for another model: merge them into it first")
    _check_folder(folder)
    try:
        content = read_json(folder / CONFIG_FILE, bits=_BITS)
    except (OSError, ValueError) as error:
        raise ValueError(f"'{folder / CONFIG_FILE}' cannot be read: {error}") from error
    try:
        return checked_config(content)
    except ValueError as error:
        raise ValueError(f"'{folder / CONFIG_FILE}': {error}") from error


def _check_folder(folder: Path) -> None:
    """Raise ValueError where any file of a folder names code to run.

    Code that no file names, and pickles beside the weights, as in many a download, are not looked at by anyone.
    transformers looks for such names in more files than one, and asks on the terminal whether to run what they name.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix in _WORDS:
            _check_size(path)
        if path.suffix == ".json" and path.name not in (TOKENIZER_FILE, *_VOCABULARIES):
            try:
                names = _names_code(read_json(path, bits=_BITS))
            except (OSError, ValueError) as error:
                raise ValueError(f"'{path}' cannot be read: {error}") from error
            if names:
                raise ValueError(f"'{path}': 'auto_map' asks for {_REFUSED['auto_map']}")


def _check_size(path: Path) -> None:
    try:
        if regular(path).stat().st_size > MAX_TOKENIZER_BYTES:
            raise ValueError(f"it has more than {MAX_TOKENIZER_BYTES // MIB} MiB")
    except (OSError, ValueError) as error:
        raise ValueError(f"'{path}' cannot be read: {error}") from error


def _names_code(content: Any) -> bool:
    if isinstance(content, Mapping):
        return any((key == "auto_map" and value is not None) or _names_code(value) for key, value in content.items())
    return isinstance(content, list) and any(map(_names_code, content))


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Keep transformers from printing: its warnings quote the names in a file as they are."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def checked_config(content: Any) -> dict[str, Any]:
    """Return a model's config without what chooses code.

    Raises:
        ValueError: It asks for code of its own, or for more layers than any model has.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("model_type"), str):
        raise ValueError("this is no config of a model: it has no model_type")
    return _checked(content)


def _checked(node: Any) -> Any:
    if isinstance(node, Mapping):
        for key, reason in _REFUSED.items():
            if node.get(key) is not None:
                raise ValueError(f"'{key}' asks for {reason}")
        for key, value in node.items():
            if isinstance(value, int) and value > MAX_LISTED and any(part in str(key) for part in _LISTED):
                raise ValueError(f"'{key}' is {value}, at most {MAX_LISTED} are made")
        kept = {str(k): v for k, v in node.items() if not str(k).startswith("_") and k not in (*_DROPPED, *_REFUSED)}
        return {key: _checked(value) for key, value in kept.items()}
    return [_checked(value) for value in node] if isinstance(node, list) else node


def read_tokenizer(path: str | Path) -> bytes:
    """Return the content of the tokenizer.json of a folder. Raises ValueError where there is none."""
    file = Path(path) / TOKENIZER_FILE
    try:
        return read_bytes(file, MAX_TOKENIZER_BYTES)
    except (OSError, ValueError) as error:
        raise ValueError(f"'{file}' cannot be read; only models with such a file will do: {error}") from error
