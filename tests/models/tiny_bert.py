"""A folder with a small random BERT, as Hugging Face writes it. Nothing is fetched."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

SIZE = 16  # of its vectors
WORDS = ("[PAD]", "[UNK]", "push", "pull", "the", "block", "lift")


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and a tokenizer of whole words."""
    folder = tmp_path_factory.mktemp("models") / "bert"
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    torch.manual_seed(1)
    sizes = {"hidden_size": SIZE, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig.from_dict({**sizes, "vocab_size": len(WORDS)})).save_pretrained(folder)
    return folder
