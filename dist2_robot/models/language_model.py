"""A causal language model of Hugging Face, as a part of a policy.

B batch, P tokens of a text, S sequence, D width, W words of its vocabulary.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dist2_robot.models.folder_budget import folder_budget
from dist2_robot.models.lora import add_lora
from dist2_robot.models.model_folder import checked_config, read_model_config, read_tokenizer, without_warnings
from dist2_robot.models.text_tokenizer import TextTokenizer

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_NEEDED = ("inputs_embeds", "attention_mask", "past_key_values", "use_cache")


class LanguageModel(nn.Module):
    """Reads words, and goes on from vectors to vectors; what becomes of those is for others to say.

    The layer that would say the next word is kept only where ``whole_vocabulary``: `words_logit` needs it.

    Args:
        model: A causal language model of transformers.
        description: The content of its config.json.
        text: Its tokenizer.
        lora: Options of adapters, see `add_lora`; None to train all weights.
        whole_vocabulary: Whether it is asked how likely a word is.
        gradient_checkpointing: Compute activations again when they are needed: slower, in far less memory.

    Attributes:
        width: D.
        max_length: The longest sequence that it was made for; None where it does not say.
        spread: The standard deviation of its word vectors.
    """

    def __init__(
        self,
        model: Any,
        description: Mapping[str, Any],
        text: TextTokenizer,
        *,
        lora: Mapping[str, Any] | None = None,
        whole_vocabulary: bool = False,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.decoder, self.text = model.base_model, text
        embeddings, output = model.get_input_embeddings(), model.get_output_embeddings()
        self.width, self.vocab_size = embeddings.embedding_dim, embeddings.num_embeddings
        accepted = inspect.signature(self.decoder.forward).parameters
        lacks = [name for name in _NEEDED if name not in accepted]
        if lacks or model.config.is_encoder_decoder or output is None or output.weight.shape[1] != self.width:
            raise ValueError(f"model type '{model.config.model_type}' does not generate token by token as this needs")
        self._takes_positions = "position_ids" in accepted
        self.max_length: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        with torch.no_grad():
            self.spread = float(embeddings(torch.arange(min(self.vocab_size, 1024))).float().std())
        self.word_output: nn.Module | None = None
        if whole_vocabulary:
            _check_plain_output(model)
            # Where output and input share their weights, those of the input serve: each weight has one name only.
            self.word_output = None if output.weight is embeddings.weight else output
        if lora is not None:
            add_lora(self.decoder, lora)
            if self.word_output is not None:
                self.word_output.requires_grad_(False)
        if gradient_checkpointing:
            self.decoder.gradient_checkpointing_enable({"use_reentrant": False})
        dtype = next(name for name, value in DTYPES.items() if value == embeddings.weight.dtype)
        self._config = {
            "model": {"config": dict(description), "tokenizer_bytes": len(text.content)},
            "dtype": dtype,
            "lora": None if lora is None else dict(lora),
            "gradient_checkpointing": gradient_checkpointing,
        }

    def config(self) -> dict[str, Any]:
        """Return plain values from which `open_language_model` builds it anew, with other weights."""
        return self._config

    def read(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the vectors of texts (B, P, D), filled up on the left, and which of them count (B, P)."""
        ids, mask = self.text(texts)
        if ids.numel() and int(ids.max()) >= self.vocab_size:
            raise ValueError(f"the text tokenizer gives token {int(ids.max())}, the model knows {self.vocab_size}")
        return self.decoder.get_input_embeddings()(ids), mask

    def new_cache(self) -> Any:
        """Return an empty cache of keys and values for one batch of sequences."""
        from transformers import DynamicCache

        return DynamicCache(config=self.decoder.config)

    def forward(self, x: Tensor, mask: Tensor, cache: Any = None) -> Tensor:
        """Go on with a sequence: (B, S, D) -> (B, S, D).

        Args:
            x: (B, S, D).
            mask: (B, all so far), 1 for what counts, what is in the cache included.
            cache: Of the elements before these; these are appended to it.

        Raises:
            ValueError: The sequence is longer than the model was made for.
        """
        if self.max_length is not None and mask.shape[1] > self.max_length:
            raise ValueError(
                f"the prompt and the chunk have {mask.shape[1]} tokens, the model reads {self.max_length}: lower "
                "policy.horizon or shorten the task"
            )
        arguments: dict[str, Any] = {}
        if self._takes_positions:
            arguments["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -x.shape[1] :]
        output = self.decoder(
            inputs_embeds=x.to(self.decoder.get_input_embeddings().weight.dtype),
            attention_mask=mask,
            past_key_values=cache,
            use_cache=cache is not None,
            **arguments,
        )
        return output.last_hidden_state

    def words_logit(self, hidden: Tensor) -> Tensor:
        """Return what all words together weigh, ``log sum exp`` of their logits (..., 1), for vectors (..., D)."""
        output: Any = self.decoder.get_input_embeddings() if self.word_output is None else self.word_output
        logits = F.linear(hidden.to(output.weight.dtype), output.weight, getattr(output, "bias", None))
        return logits.to(torch.promote_types(logits.dtype, torch.float32)).logsumexp(-1, keepdim=True)


def open_language_model(
    model: str | Mapping[str, Any], *, pretrained: bool = True, dtype: str = "float32", **options: Any
) -> LanguageModel:
    """Read a language model from a local folder, or make one with fresh weights.

    Args:
        model: The folder, with config.json, tokenizer.json and weights in safetensors; or, from a checkpoint, what
            `LanguageModel.config` said: a ``config`` and ``tokenizer_bytes``, with weights to be loaded later.
        pretrained: Whether to read the weights in the folder; else they are random.
        dtype: Of the weights: ``float32``, or ``bfloat16``, only for those that adapters leave as they are.
        options: Of `LanguageModel`.

    Raises:
        ValueError: There is no such model, or it asks for code of its own.
    """
    try:
        return _open(model, pretrained=pretrained, dtype=dtype, **options)
    except ValueError as error:
        if isinstance(model, Mapping) or str(model) in str(error):
            raise
        raise ValueError(f"'{model}': {error}") from error


def _open(model: str | Mapping[str, Any], *, pretrained: bool, dtype: str, **options: Any) -> LanguageModel:
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {sorted(DTYPES)}, got '{dtype}'")
    if dtype != "float32" and options.get("lora") is None:
        raise ValueError(f"dtype={dtype} is for weights that stay as they are: use it with lora, else leave it float32")
    try:
        from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING
    except ModuleNotFoundError as error:
        raise ValueError("language models need transformers: pip install 'dist2-robot[language]'") from error
    if isinstance(model, Mapping):
        if set(model) != {"config", "tokenizer_bytes"}:
            raise ValueError(f"a model needs config and tokenizer_bytes, got {sorted(model)}")
        description, text = checked_config(model["config"]), TextTokenizer(int(model["tokenizer_bytes"]))
    else:
        description, text = read_model_config(model), TextTokenizer(read_tokenizer(model))
    kind = description["model_type"]
    if kind not in CONFIG_MAPPING or CONFIG_MAPPING[kind] not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ValueError(f"transformers has no causal language model of type '{kind}'")
    cls: Any = MODEL_FOR_CAUSAL_LM_MAPPING[CONFIG_MAPPING[kind]]
    try:
        config = CONFIG_MAPPING[kind].from_dict({**description, "dtype": dtype})
        if isinstance(model, Mapping):
            opened = cls._from_config(config)  # whoever reads the checkpoint has its weights to compare it with
        elif pretrained:
            opened = _read_weights(cls, config, description, model)
        else:
            with folder_budget(model, description, pretrained=False):
                opened = cls._from_config(config)
    except ValueError:
        raise
    except Exception as error:  # each model of the library has errors of its own
        raise ValueError(f"no model can be made of this config: {' '.join(str(error).split())}") from error
    return LanguageModel(opened, description, text, **options)


def _read_weights(cls: Any, config: Any, description: Mapping[str, Any], folder: str) -> Any:
    try:
        with without_warnings(), folder_budget(folder, description):
            opened, report = cls.from_pretrained(
                folder,
                config=config,
                dtype=config.dtype,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
            )
    except Exception as error:  # each model of the library has errors of its own
        raise ValueError(f"'{folder}' holds no weights that can be read: {' '.join(str(error).split())}") from error
    if report["missing_keys"]:
        raise ValueError(f"'{folder}' lacks the weights {sorted(report['missing_keys'])[:3]}")
    return opened


@torch.no_grad()
def _check_plain_output(model: Any) -> None:
    """Raise ValueError where more than one layer makes words of vectors, as a cap of the logits."""
    ids = torch.arange(min(8, model.get_input_embeddings().num_embeddings))[None]
    was_training = model.training
    model.eval()
    logits, hidden = model(input_ids=ids).logits, model.base_model(input_ids=ids).last_hidden_state
    model.train(was_training)
    if not torch.allclose(model.get_output_embeddings()(hidden).float(), logits.float(), rtol=1e-3, atol=1e-4):
        raise ValueError(f"model type '{model.config.model_type}' changes its logits: use policy.support=actions")
