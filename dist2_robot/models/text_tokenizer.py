"""Words to the tokens of a language model. B batch, P tokens of a prompt."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class TextTokenizer(nn.Module):
    """A tokenizer of Hugging Face's `tokenizers` library, whose whole file is part of the checkpoint.

    Args:
        content: Of a tokenizer.json file; or how many bytes it has, where a checkpoint brings it.
    """

    content: Tensor

    def __init__(self, content: bytes | int) -> None:
        super().__init__()
        if isinstance(content, int):
            data = torch.zeros(content, dtype=torch.uint8)
        else:
            data = torch.from_numpy(np.frombuffer(content, dtype=np.uint8).copy())
        self.register_buffer("content", data)  # (bytes,)
        self._forget()
        if isinstance(content, bytes):
            self._parsed()  # what cannot be read is told now

    def forward(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return token ids (B, P) and which of them count (B, P); short texts are filled up on the left."""
        rows = [self._ids(text) for text in texts]
        length = max(map(len, rows))
        ids = torch.tensor([[0] * (length - len(row)) + row for row in rows], device=self.content.device)
        mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows], device=ids.device)
        return ids.view(len(rows), length), mask.view(len(rows), length)

    def _ids(self, text: str) -> list[int]:
        if text not in self._known:  # the tasks of the data come again and again
            self._known[text] = self._parsed().encode(text).ids
        return self._known[text]

    def _parsed(self) -> Any:
        if self._tokenizer is None:
            from tokenizers import Tokenizer  # heavy, and an extra

            try:
                self._tokenizer = Tokenizer.from_str(self.content.cpu().numpy().tobytes().decode())
            except Exception as error:  # the library raises nothing more exact
                raise ValueError(f"the text tokenizer cannot be read: {' '.join(str(error).split())}") from error
            self._tokenizer.no_padding()
            self._tokenizer.no_truncation()
        return self._tokenizer

    def _forget(self) -> None:
        self._tokenizer: Any = None
        self._known: dict[str, list[int]] = {}

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self._forget()
