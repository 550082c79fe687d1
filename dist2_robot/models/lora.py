"""Adapters of low rank for a model whose own weights stay as they are (Hu et al. 2021, arXiv 2106.09685)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

ALL_LAYERS = "all-linear"


def add_lora(model: nn.Module, lora: Mapping[str, Any]) -> None:
    """Freeze a model of transformers and put ``x A B alpha / rank`` beside its linear layers, which alone is trained.

    Args:
        model: Changed in place.
        lora: ``rank``, ``alpha`` (by default twice the rank), ``dropout`` (0) and ``layers``: names of those that get
            adapters, by default all.

    Raises:
        ValueError: An option is unknown or out of range, or peft is not installed.
    """
    options = {"alpha": None, "dropout": 0.0, "layers": ALL_LAYERS, **lora}
    unknown = sorted(set(options) - {"rank", "alpha", "dropout", "layers"})
    rank = options.get("rank")
    if unknown or not isinstance(rank, int) or rank < 1:
        raise ValueError(f"lora takes a rank of at least 1, and alpha, dropout and layers: got {dict(lora)}")
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ModuleNotFoundError as error:
        raise ValueError("lora needs peft: pip install 'dist2-robot[language]'") from error
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank if options["alpha"] is None else options["alpha"],
        lora_dropout=options["dropout"],
        target_modules=options["layers"],
        fan_in_fan_out=any(type(layer).__name__ == "Conv1D" for layer in model.modules()),  # GPT-2's linear layers
    )
    inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        is_adapter = ".lora_" in name
        parameter.requires_grad_(is_adapter)
        if is_adapter and parameter.dtype in (torch.bfloat16, torch.float16):
            parameter.data = parameter.data.float()  # small steps would be lost in rounding
