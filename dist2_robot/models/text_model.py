"""A task as a pretrained language model reads it. B batch, E size of the model's vectors, D width."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dist2_robot.models.folder_budget import folder_budget
from dist2_robot.models.instruction_encoder import InstructionEncoder
from dist2_robot.models.model_folder import read_model_config, without_warnings


class TextModel(InstructionEncoder):
    """The mean of the last hidden states of a frozen Hugging Face model, and a learned map of it.

    The model is read from a local folder (safetensors only). The vectors of the known tasks are part of the
    checkpoint, so the folder is needed only for training, and for tasks in other words.
    """

    vectors: Tensor

    def __init__(self, tasks: Sequence[str], width: int, *, path: str, size: int | None = None) -> None:
        """Args: tasks: Those of the data. width: D. path: A folder with model and tokenizer.

        size: E, where a checkpoint brings the vectors; None to work them out now.

        Raises:
            ValueError: The folder holds no model that can be read.
        """
        super().__init__()
        if not tasks:
            raise ValueError("the data tell no task to read")
        self.path = path
        self.rows = {task: row for row, task in enumerate(tasks)}
        vectors = read_texts(path, list(tasks)) if size is None else torch.zeros(len(tasks), size)
        self.register_buffer("vectors", vectors)  # (tasks, E)
        self._others: dict[str, Tensor] = {}  # (E,) of each task in other words that was ever read
        self.map = nn.Sequential(nn.LayerNorm(vectors.shape[1]), nn.Linear(vectors.shape[1], width))

    def forward(self, tasks: Sequence[str]) -> Tensor:
        for task in set(tasks) - set(self.rows) - set(self._others):
            self._others[task] = read_texts(self.path, [task])[0]
        rows, vectors = self.rows, self.vectors
        if self._others:
            rows = {task: row for row, task in enumerate([*self.rows, *self._others])}
            vectors = torch.cat([vectors, torch.stack([*self._others.values()]).to(vectors.device)])
        return self.map(vectors[torch.tensor([rows[task] for task in tasks], device=vectors.device)])

    def config(self) -> dict[str, Any]:
        return {"name": "text_model", "path": self.path, "size": self.vectors.shape[1]}


@torch.no_grad()
def read_texts(path: str, texts: Sequence[str]) -> Tensor:
    """Return what the model in a folder makes of texts, (texts, E). Raises ValueError where there is none."""
    if not Path(path).is_dir():
        raise ValueError(f"'{path}' is not a folder with a language model, which the task '{texts[0]}' needs")
    config = read_model_config(path)  # refuses what would bring code of its own
    try:
        from transformers import CONFIG_MAPPING, AutoModel, AutoTokenizer
    except ModuleNotFoundError as error:
        raise ValueError("text models need transformers: pip install 'dist2-robot[language]'") from error
    if config["model_type"] not in CONFIG_MAPPING:
        raise ValueError(f"'{path}': transformers has no model of type '{config['model_type']}'")
    try:
        # Where they are not told, both ask on the terminal whether to run the code that a folder names.
        with without_warnings():
            tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
            with folder_budget(path, config):
                model = AutoModel.from_pretrained(
                    path, local_files_only=True, use_safetensors=True, trust_remote_code=False
                ).eval()
        if model.config.is_encoder_decoder:
            model = model.get_encoder()
        model = getattr(model, "text_model", model)  # CLIP and its kin also have eyes
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        tokens = tokenizer(list(texts), padding=True, return_tensors="pt")
        hidden = model(**tokens).last_hidden_state.float()  # (texts, words, E)
    except Exception as error:  # each model of the library has errors of its own
        raise ValueError(f"'{path}' holds no model that can be read: {' '.join(str(error).split())}") from error
    counts = tokens["attention_mask"][..., None]
    if not counts.sum(1).all():
        empty = texts[int(counts.sum(1).flatten().argmin())]
        raise ValueError(f"the task '{empty}' holds no word that the model in '{path}' reads")
    return (hidden * counts).sum(1) / counts.sum(1)
