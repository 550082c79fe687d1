"""Folders as Hugging Face writes them, with a small random model and a tokenizer of a few words. Nothing is fetched."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PretrainedConfig

from tests.data.recordings import TASK

WORDS = ["<unk>", "<s>", *dict.fromkeys(f"Task Observation : . and push pull lift the red block {TASK[:-1]}".split())]
LLAMA = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}


def write_model(folder: Path, config: PretrainedConfig, seed: int = 0) -> Path:
    """Write a model with the random weights of a seed, and a tokenizer of whole words that begins with ``<s>``."""
    config.vocab_size = len(WORDS)
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rotary positions, an output layer of its own."""
    return write_model(tmp_path_factory.mktemp("models") / "llama", LlamaConfig(**LLAMA, max_position_embeddings=128))


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Learned positions, an output layer that shares its weights with the input."""
    return write_model(tmp_path_factory.mktemp("models") / "gpt2", GPT2Config(**GPT2))
