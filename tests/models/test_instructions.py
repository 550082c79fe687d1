"""Whatever reads a task. B batch, E size of a model's vectors, D width."""

import json
import os
import shutil

import pytest
import torch

from dist2_robot.models.hashed_words import HashedWords, word_numbers
from dist2_robot.models.model_folder import MAX_TOKENIZER_BYTES
from dist2_robot.models.task_embedding import TaskEmbedding
from dist2_robot.models.text_model import TextModel
from tests.models.tiny_bert import SIZE, bert

__all__ = ["bert"]

TASKS = ("push the block", "pull")
WIDTH = 8


@torch.no_grad()
def test_an_embedding_knows_its_tasks_and_no_others():
    encoder = TaskEmbedding(TASKS, WIDTH)
    vectors = encoder(["pull", "push the block", "pull"])
    assert vectors.shape == (3, WIDTH)
    assert torch.equal(vectors[0], vectors[2])
    assert not torch.equal(vectors[0], vectors[1])
    with pytest.raises(ValueError, match="never learned the task 'lift'"):
        encoder(["pull", "lift"])
    with pytest.raises(ValueError, match="no task"):
        TaskEmbedding((), WIDTH)


@torch.no_grad()
def test_hashed_words_read_any_text_and_each_as_if_it_were_alone():
    encoder = HashedWords(TASKS, WIDTH, buckets=64)
    texts = ["push the block", "lift", "push the block", "lift the red block"]
    vectors = encoder(texts)
    assert vectors.shape == (4, WIDTH)
    assert torch.equal(vectors[0], vectors[2])
    for text, vector in zip(texts, vectors, strict=True):
        torch.testing.assert_close(encoder([text])[0], vector)
    assert torch.equal(encoder(["Push, the BLOCK!"]), encoder(["push the block"]))
    assert not torch.allclose(*encoder(["push it here", "here it push"]))  # the order counts
    with pytest.raises(ValueError, match="the task '!!' holds no word"):
        encoder(["push", "!!"])
    with pytest.raises(ValueError, match="at least 1, got 0"):
        HashedWords(TASKS, WIDTH, buckets=0)


def test_the_hash_is_the_same_everywhere():
    """A checkpoint is worthless where it is another."""
    assert word_numbers("Push the block.", 4096) == (1636, 3558, 1826, 2396, 2866)
    assert word_numbers("", 4096) == ()


@torch.no_grad()
def test_a_text_model_reads_any_text_and_each_as_if_it_were_alone(bert):
    encoder = TextModel(TASKS, WIDTH, path=str(bert))
    assert encoder.vectors.shape == (2, SIZE)
    vectors = encoder(["pull", "lift the block", "push the block"])
    assert vectors.shape == (3, WIDTH)
    for task, vector in zip(["pull", "lift the block", "push the block"], vectors, strict=True):
        alone = TextModel([task], WIDTH, path=str(bert))
        alone.map.load_state_dict(encoder.map.state_dict())
        torch.testing.assert_close(alone([task])[0], vector)
    assert encoder.state_dict()["vectors"].shape == (2, SIZE)  # a task in other words is no part of a checkpoint


@torch.no_grad()
def test_known_tasks_need_no_folder_once_they_are_in_a_checkpoint(bert, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "bert")
    encoder = TextModel(TASKS, WIDTH, path=str(folder))
    config = encoder.config()
    assert config.pop("name") == "text_model"
    shutil.rmtree(folder)
    again = TextModel(TASKS, WIDTH, **config)
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(TASKS), encoder(TASKS))
    for _ in range(2):  # a task that could not be read is not known afterwards
        with pytest.raises(ValueError, match=r"not a folder.*'lift the block'"):
            again(["pull", "lift the block"])
    assert torch.equal(again(TASKS), encoder(TASKS))


@torch.no_grad()
def test_weights_that_are_loaded_later_count_for_tasks_that_were_read_before(bert):
    encoder, other = (TextModel(TASKS, WIDTH, path=str(bert)) for _ in range(2))
    encoder(["lift the block"])
    other.vectors.mul_(2).add_(torch.randn(2, SIZE))
    encoder.load_state_dict(other.state_dict())
    torch.testing.assert_close(encoder(TASKS), other(TASKS))


def test_a_text_model_is_frozen_and_its_map_learns(bert):
    encoder = TextModel(TASKS, WIDTH, path=str(bert))
    encoder(TASKS).square().sum().backward()
    assert {name for name, _ in encoder.named_parameters()} == {
        "map.0.weight",
        "map.0.bias",
        "map.1.weight",
        "map.1.bias",
    }
    assert all(weight.grad is not None and weight.grad.any() for weight in encoder.parameters())


@pytest.mark.fault("S10")
def test_a_folder_that_wants_to_run_code_is_refused(bert, tmp_path):
    folder = shutil.copytree(bert, tmp_path / "bert")
    config = folder / "config.json"
    config.write_text(config.read_text().replace("{", '{"auto_map": {"AutoModel": "evil.Model"},', 1))
    with pytest.raises(ValueError, match="auto_map"):
        TextModel(TASKS, WIDTH, path=str(folder))


@pytest.mark.fault("A3")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer_config.json", '{"auto_map": {"AutoTokenizer": ["evil.Words", null]}}'),
        ("processor_config.json", '{"parts": [{"auto_map": {"AutoProcessor": "evil.Eyes"}}]}'),
        ("config.json", '{"model_type": "evil"}'),
    ],
)
def test_no_file_of_a_folder_asks_on_the_terminal(bert, tmp_path, monkeypatch, name, content):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked on the terminal"))
    folder = shutil.copytree(bert, tmp_path / "bert")
    if name == "tokenizer_config.json":  # of a type that nobody knows, transformers asks there first
        (folder / "config.json").write_text('{"model_type": "evil"}')
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match=rf"^[^\n]*{'evil' if name == 'config.json' else name}[^\n]*$"):
        TextModel(TASKS, WIDTH, path=str(folder))


@pytest.mark.fault("A3")
def test_what_lies_about_in_a_download_is_neither_read_nor_run(bert, tmp_path):
    folder, trace = shutil.copytree(bert, tmp_path / "bert"), tmp_path / "trace"
    (folder / "train_script.py").write_text(f"from pathlib import Path\nPath({str(trace)!r}).touch()\n")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n.")
    assert torch.equal(
        TextModel(TASKS, WIDTH, path=str(folder)).vectors, TextModel(TASKS, WIDTH, path=str(bert)).vectors
    )
    assert not trace.exists()


@pytest.mark.fault("A3")
def test_whoever_is_asked_to_load_a_folder_is_told_not_to_run_code(bert, tmp_path, monkeypatch):
    """Behind our own check transformers is told not to ask, wherever it looks."""
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked on the terminal"))
    monkeypatch.setattr("dist2_robot.models.model_folder._check_folder", lambda _: None)
    folder = shutil.copytree(bert, tmp_path / "bert")
    told = '{"auto_map": {"AutoTokenizer": ["evil.Words", "evil.Words"]}, "tokenizer_class": "EvilWords"}'
    (folder / "tokenizer_config.json").write_text(told)
    (folder / "evil.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'trace')!r}).touch()\n")
    with pytest.raises(ValueError, match=r"padding|holds no model"):
        TextModel(TASKS, WIDTH, path=str(folder))
    assert not (tmp_path / "trace").exists()


def test_a_task_without_words_is_named(bert):
    with pytest.raises(ValueError, match="the task '' holds no word"):
        TextModel(["push", ""], WIDTH, path=str(bert))
    with pytest.raises(ValueError, match="no task"):
        TextModel((), WIDTH, path=str(bert))


@pytest.mark.fault("A6")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 2**64),
        ("num_hidden_layers", 50_000),
        ("num_hidden_layers", 20_000),
        ("num_labels", 10**9),
        ("vocab_size", 10**9),
        ("max_position_embeddings", 10**9),
    ],
)
def test_a_config_larger_than_its_weights_is_refused_before_it_is_built(bert, tmp_path, key, value):
    folder = shutil.copytree(bert, tmp_path / "bert")
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {key: value}))
    with pytest.raises(ValueError, match=rf"^[^\n]*{folder}[^\n]*{key}[^\n]*{value}"):
        TextModel(TASKS, WIDTH, path=str(folder))


@pytest.mark.fault("A8")
@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.json", "vocab.txt"])
def test_words_in_a_pipe_or_in_a_huge_file_are_not_waited_for(bert, tmp_path, name):
    folder = shutil.copytree(bert, tmp_path / "bert")
    path = folder / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(ValueError, match=rf"^[^\n]*{name}[^\n]*no regular file"):
        TextModel(TASKS, WIDTH, path=str(folder))
    path.unlink()
    path.touch()
    os.truncate(path, MAX_TOKENIZER_BYTES + 1)
    with pytest.raises(ValueError, match=rf"^[^\n]*{name}[^\n]*more than 256 MiB"):
        TextModel(TASKS, WIDTH, path=str(folder))
