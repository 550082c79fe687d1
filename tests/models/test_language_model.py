"""A language model of a folder is read as it is, or refused. B batch, S sequence, D width."""

import json
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, MambaConfig
from transformers.cache_utils import Cache

from dist2_robot.models.language_model import open_language_model
from dist2_robot.models.text_tokenizer import TextTokenizer
from tests.models.tiny_language_models import GPT2, LLAMA, WORDS, gpt2, llama, write_model

__all__ = ["gpt2", "llama"]
SMALL_GEMMA = {**LLAMA, "head_dim": 8, "num_key_value_heads": 2, "max_position_embeddings": 64}


@pytest.fixture(params=["llama", "gpt2"])
def folder(request):
    return request.getfixturevalue(request.param)


@torch.no_grad()
def test_its_vectors_are_those_of_the_model_in_the_folder(folder):
    original = AutoModelForCausalLM.from_pretrained(folder).eval()
    model = open_language_model(str(folder), whole_vocabulary=True).eval()
    words, mask = model.read(["push the red block"])
    hidden = model(words, mask)
    logits = original(input_ids=model.text(["push the red block"])[0]).logits
    assert torch.allclose(model.words_logit(hidden), logits.logsumexp(-1, keepdim=True), atol=1e-5)
    other = open_language_model(str(folder), whole_vocabulary=True, pretrained=False).eval()
    assert not torch.allclose(other.words_logit(other(*other.read(["push"]))), model.words_logit(hidden)[:, :2])


@torch.no_grad()
def test_what_is_filled_up_counts_for_nothing(folder):
    model = open_language_model(str(folder)).eval()
    texts = ["push", "lift the red block and push"]
    words, mask = model.read(texts)
    assert mask.tolist() == [[0, 0, 0, 0, 0, 1, 1], [1] * 7]
    together = model(words, mask)
    assert torch.isfinite(together).all()
    for row, text in enumerate(texts):
        alone = model(*model.read([text]))[0]
        assert torch.allclose(together[row, -len(alone) :], alone, atol=1e-5)


@torch.no_grad()
def test_with_the_cache_a_sequence_goes_on_as_if_it_were_whole(folder):
    model = open_language_model(str(folder)).eval()
    words, mask = model.read(["push", "lift the red block and push"])
    whole = model(words, mask)
    cache = model.new_cache()
    assert isinstance(cache, Cache)
    parts = [model(words[:, :4], mask[:, :4], cache)]
    parts += [model(words[:, i : i + 1], mask[:, : i + 1], cache) for i in range(4, 7)]
    counts = mask.bool()
    assert torch.allclose(torch.cat(parts, dim=1)[counts], whole[counts], atol=1e-5)


def test_each_weight_has_one_name_and_none_is_for_words_unless_asked(folder):
    for whole in (False, True):
        state = open_language_model(str(folder), whole_vocabulary=whole).state_dict()
        pointers = [tensor.data_ptr() for tensor in state.values()]
        assert len(pointers) == len(set(pointers))
        large = [name for name, tensor in state.items() if tensor.shape == (len(WORDS), 32)]
        assert len(large) == (2 if whole and folder.name == "llama" else 1)


def test_its_config_says_all_but_the_weights(folder):
    model = open_language_model(str(folder), lora={"rank": 2}, whole_vocabulary=True).eval()
    plain = json.loads(json.dumps(model.config()))
    again = open_language_model(**plain, whole_vocabulary=True).eval()
    again.load_state_dict(model.state_dict(), strict=True)
    assert again.config() == model.config()
    texts = ["push the red block", "lift"]
    assert torch.equal(again(*again.read(texts)), model(*model.read(texts)))


def test_a_text_tokenizer_is_its_file(folder):
    content = (folder / "tokenizer.json").read_bytes()
    text, loaded = TextTokenizer(content), TextTokenizer(len(content))
    loaded.load_state_dict(text.state_dict())
    ids, mask = loaded(["push it", "the red block"])
    assert ids.tolist() == text(["push it", "the red block"])[0].tolist()
    assert [WORDS[i] for i in ids[1]] == ["<s>", "the", "red", "block"]
    assert [WORDS[i] for i in ids[0][mask[0].bool()]] == ["<s>", "push", "<unk>"]


def test_adapters_alone_are_trained_and_begin_as_nothing(folder):
    model = open_language_model(str(folder), lora={"rank": 2, "alpha": 4}, whole_vocabulary=True).eval()
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert trained
    assert all(".lora_A." in name or ".lora_B." in name for name in trained)
    plain = open_language_model(str(folder)).eval()
    assert torch.allclose(model(*model.read(["push"])), plain(*plain.read(["push"])), atol=1e-6)


def test_frozen_weights_may_be_of_16_bits_adapters_never_are(folder):
    model = open_language_model(str(folder), lora={"rank": 2}, dtype="bfloat16")
    kinds = (
        {p.dtype for p in model.parameters() if p.requires_grad},
        {p.dtype for p in model.parameters() if not p.requires_grad},
    )
    assert kinds == ({torch.float32}, {torch.bfloat16})
    hidden = model(*model.read(["push the block"]))
    hidden.float().square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.requires_grad)


def test_gradients_are_the_same_with_less_memory(folder):
    gradients = []
    for saves in (False, True):
        model = open_language_model(str(folder), gradient_checkpointing=saves)
        model.eval().decoder.train(saves)  # checkpoints are for training only; this model has no dropout then
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            if hasattr(module, "attn_dropout"):
                module.attention_dropout = 0.0
        model(*model.read(["push the block"])).square().sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.allclose(gradients[0][name], gradients[1][name], atol=1e-5) for name in gradients[0])


def edit_config(folder, copy, **changes):
    shutil.copytree(folder, copy)
    content = json.loads((copy / "config.json").read_text()) | changes
    (copy / "config.json").write_text(json.dumps({k: v for k, v in content.items() if v != "gone"}))
    return str(copy)


@pytest.mark.fault("S2")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"auto_map": {"AutoModelForCausalLM": "evil.Model"}}, "'auto_map'"),
        ({"text_config": {"auto_map": {"AutoConfig": "evil.Config"}}}, "'auto_map'"),
        ({"quantization_config": {"quant_method": "custom"}}, "'quantization_config'"),
        ({"model_type": "evil.Model"}, "no causal language model of type 'evil.Model'"),
        ({"model_type": "t5"}, "no causal language model of type 't5'"),
        ({"model_type": "gone"}, "no model_type"),
        ({"hidden_size": 64}, "no weights that can be read"),
        ({"num_hidden_layers": 3}, "lacks the weights"),
    ],
)
def test_a_folder_that_asks_for_more_is_refused(llama, tmp_path, changes, says):
    with pytest.raises(ValueError, match=says):
        open_language_model(edit_config(llama, tmp_path / "model", **changes))


@pytest.mark.fault("S2")
def test_a_kernel_that_a_config_names_is_not_used(llama, tmp_path):
    names = {"_attn_implementation": "someone/kernel", "attn_implementation": "someone/kernel"}
    model = open_language_model(edit_config(llama, tmp_path / "model", **names))
    assert "someone" not in json.dumps(model.config())
    assert model.decoder.config._attn_implementation == "sdpa"


@pytest.mark.fault("S1")
def test_a_pickle_is_not_read(llama, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(llama, copy)
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n.")
    with pytest.raises(ValueError, match="no weights that can be read"):
        open_language_model(str(copy))


@pytest.mark.parametrize("damage", ["config.json", "tokenizer.json"])
def test_a_file_that_is_missing_or_damaged_is_named(llama, tmp_path, damage):
    copy = tmp_path / "model"
    shutil.copytree(llama, copy)
    (copy / damage).write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        open_language_model(str(copy))
    (copy / damage).unlink()
    with pytest.raises(ValueError, match=damage):
        open_language_model(str(copy))


def test_what_is_no_folder_or_adapters_only_is_told(llama, tmp_path):
    with pytest.raises(ValueError, match="'HuggingFaceTB/SmolLM2-135M' is not a folder"):
        open_language_model("HuggingFaceTB/SmolLM2-135M")
    copy = tmp_path / "model"
    shutil.copytree(llama, copy)
    (copy / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/else"}')
    with pytest.raises(ValueError, match="adapters"):
        open_language_model(str(copy))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dtype": "int4"}, "dtype must be one of"),
        ({"dtype": "bfloat16"}, "use it with lora"),
        ({"lora": {}}, "rank of at least 1"),
        ({"lora": {"rank": 0}}, "rank of at least 1"),
        ({"lora": {"rank": 2, "alhpa": 1}}, "alhpa"),
        ({"lora": {"rank": 2, "layers": ["nowhere"]}}, "nowhere"),
    ],
)
def test_wrong_options_are_told(llama, options, says):
    with pytest.raises(ValueError, match=says):
        open_language_model(str(llama), **options)


def test_a_text_that_is_too_long_is_told(llama):
    model = open_language_model(str(llama))
    with pytest.raises(ValueError, match=r"have 151 tokens, the model reads 128: lower policy\.horizon"):
        model(*model.read(["push " * 150]))


def test_a_tokenizer_of_another_model_is_told(llama, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(llama, copy)
    content = json.loads((copy / "tokenizer.json").read_text())
    content["model"]["vocab"]["push"] = 999
    (copy / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"gives token 999, the model knows {len(WORDS)}"):
        open_language_model(str(copy)).read(["push"])


def test_a_model_that_changes_its_logits_gives_none_for_words(tmp_path):
    config = Gemma2Config(**SMALL_GEMMA, final_logit_softcapping=0.01)
    folder = str(write_model(tmp_path / "gemma", config))
    with pytest.raises(ValueError, match=r"use policy\.support=actions"):
        open_language_model(folder, whole_vocabulary=True)
    assert open_language_model(folder).width == LLAMA["hidden_size"]


def test_a_model_without_keys_and_values_is_refused(tmp_path):
    folder = write_model(tmp_path / "mamba", MambaConfig(hidden_size=32, num_hidden_layers=1, state_size=4))
    with pytest.raises(ValueError, match="does not generate token by token"):
        open_language_model(str(folder))


def test_word_vectors_tell_how_large_they_are(folder):
    weight = open_language_model(str(folder)).decoder.get_input_embeddings().weight
    assert open_language_model(str(folder)).spread == pytest.approx(float(weight.detach().std()))
    assert GPT2["n_embd"] == weight.shape[1]


@pytest.mark.fault("A6")
@pytest.mark.parametrize(
    ("key", "value", "pretrained"),
    [
        ("num_hidden_layers", 2**64, True),
        ("num_hidden_layers", 50_000, False),
        ("num_hidden_layers", 20_000, True),
        ("num_labels", 10**9, True),
        ("vocab_size", 10**9, True),
        ("vocab_size", 10**9, False),
        ("intermediate_size", 10**9, True),
        ("intermediate_size", 10**9, False),
    ],
)
def test_a_config_larger_than_its_weights_is_refused_before_it_is_built(llama, tmp_path, key, value, pretrained):
    path = edit_config(llama, tmp_path / "model", **{key: value})
    with pytest.raises(ValueError, match=rf"^[^\n]*{path}[^\n]*{key}[^\n]*{value}"):
        open_language_model(path, pretrained=pretrained)


@pytest.mark.fault("A6")
def test_a_config_in_a_checkpoint_counts_no_more_layers_than_any_model_has(llama):
    model = open_language_model(str(llama)).config()["model"]
    model["config"]["num_hidden_layers"] = 10**9
    with pytest.raises(ValueError, match=r"num_hidden_layers.*1000000000"):
        open_language_model(model)


@pytest.mark.fault("A6")
def test_weights_in_more_files_than_one_are_counted_together(llama, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(llama)
    shutil.copytree(llama, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    model.save_pretrained(tmp_path / "model", max_shard_size="20KB")
    assert len(list((tmp_path / "model").glob("*.safetensors"))) > 1
    read, whole = open_language_model(str(tmp_path / "model")), open_language_model(str(llama))
    assert all(torch.equal(x, y) for x, y in zip(read.parameters(), whole.parameters(), strict=True))
