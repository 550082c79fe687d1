"""What a local folder of Hugging Face says of its model. Nothing of it is ever executed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.json"

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
    try:
        content = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"'{folder / CONFIG_FILE}' cannot be read: {error}") from error
    try:
        return checked_config(content)
    except ValueError as error:
        raise ValueError(f"'{folder / CONFIG_FILE}': {error}") from error


def checked_config(content: Any) -> dict[str, Any]:
    """Return a model's config without what chooses code. Raises ValueError where it asks for code of its own."""
    if not isinstance(content, Mapping) or not isinstance(content.get("model_type"), str):
        raise ValueError("this is no config of a model: it has no model_type")
    return _checked(content)


def _checked(node: Any) -> Any:
    if isinstance(node, Mapping):
        for key, reason in _REFUSED.items():
            if node.get(key) is not None:
                raise ValueError(f"'{key}' asks for {reason}")
        kept = {str(k): v for k, v in node.items() if not str(k).startswith("_") and k not in (*_DROPPED, *_REFUSED)}
        return {key: _checked(value) for key, value in kept.items()}
    return [_checked(value) for value in node] if isinstance(node, list) else node


def read_tokenizer(path: str | Path) -> bytes:
    """Return the content of the tokenizer.json of a folder. Raises ValueError where there is none."""
    file = Path(path) / TOKENIZER_FILE
    try:
        return file.read_bytes()
    except OSError as error:
        raise ValueError(f"'{file}' cannot be read; only models with such a file will do: {error}") from error
