"""dist2-train policy=language_model: from a dataset and a model's folder to a checkpoint that needs neither."""

import shutil

import gym_dist2  # noqa: F401
import gymnasium
import pytest
import torch
from safetensors.torch import load_file

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.checkpoints.golden import GOLDEN_FILE, check_golden
from dist2_robot.checkpoints.registry import build_policy
from dist2_robot.checkpoints.store import MODEL_FILE, find_checkpoint, load_policy, read_tensors
from dist2_robot.cli.evaluate import evaluate_policy
from dist2_robot.rollouts.environment import EnvironmentSpec
from dist2_robot.training.state import STATE_FILE
from dist2_robot.types import Observation
from tests.cli.small import SMALL
from tests.cli.test_train import held_out_errors, metrics, weights
from tests.data.recordings import NAMES, SPEC, TASK
from tests.models.tiny_language_models import gpt2, llama

__all__ = ["gpt2", "llama"]
POINT = EnvironmentSpec("gym_dist2/PointAround-v0", {})
OF_OURS = ("policy.width", "policy.depth", "policy.attention_heads")
LANGUAGE = ("policy=language_model", *(option for option in SMALL if not option.startswith(OF_OURS)))
PAPER = ("head=free", "loss=dist2_paper", "policy.support=vocabulary", "decoding=argmax")


@pytest.fixture(params=["llama", "gpt2"])
def folder(request):
    return request.getfixturevalue(request.param)


def observation(*tasks):
    generator = torch.Generator().manual_seed(0)
    return Observation({n: torch.randn(len(tasks), len(v), generator=generator) for n, v in NAMES.items()}, tasks)


def test_it_learns_and_its_checkpoint_needs_no_folder(command, reach, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "model")
    options = ("trainer.steps=60", "trainer.learning_rate=3e-3")
    outcome = command(
        "dist2-train", f"dataset.root={reach}", "output=run", f"policy.model={copy}", *LANGUAGE, *PAPER, *options
    )
    assert outcome.code == 0, outcome.err
    assert set(held_out_errors(outcome.out)) == {"x", "gripper"}
    losses = [record["loss"] for record in metrics(tmp_path / "run") if record["kind"] == "train"]
    assert losses[-1] < 0.7 * losses[0]

    shutil.rmtree(copy)
    policy, manifest = load_policy(tmp_path / "run")
    assert policy.observation.tasks == (TASK,)
    assert policy.normalizer.get_buffer("observation_state_std").std() > 0
    golden = read_tensors(find_checkpoint(tmp_path / "run"), manifest, GOLDEN_FILE)
    assert check_golden(policy, golden, manifest.golden_tasks) == 0
    chunk = policy.act(observation(TASK, "push the red block"))
    assert chunk.actions.shape == (2, 3, len(SPEC))
    assert ((chunk.tokens >= 0) & (chunk.tokens < 16)).all()


@pytest.mark.slow
@pytest.mark.fault("R4")
@pytest.mark.parametrize(
    "options", [(), ("policy.lora={rank: 2, alpha: 4}",), ("policy.generation=parallel",)], ids=str
)
def test_resumed_it_is_as_if_nothing_had_happened(command, reach, gpt2, tmp_path, options):
    """GPT-2 drops out at random, so that the state of random numbers counts."""
    arguments = ["dist2-train", f"dataset.root={reach}", f"policy.model={gpt2}", *LANGUAGE, *options]
    assert command(*arguments, "output=whole").code == 0
    whole, run = tmp_path / "whole", tmp_path / "run"
    shutil.copytree(whole, run)
    shutil.rmtree(find_checkpoint(run))
    (run / "summary.json").unlink()
    assert load_policy(run)[1].step == 16
    outcome = command(*arguments, "output=run", "name=whole", "resume=true")
    assert outcome.code == 0, outcome.err
    assert weights(run) == weights(whole)
    expected, actual = (load_file(find_checkpoint(each) / STATE_FILE) for each in (whole, run))
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[key], actual[key]) for key in expected)
    assert metrics(run) == metrics(whole)


def test_adapters_from_the_command_line_leave_the_model_as_it_is(command, reach, llama, tmp_path):
    options = ("policy.lora={rank: 2, alpha: 4}", "policy.dtype=bfloat16", "trainer.steps=8")
    outcome = command(
        "dist2-train", f"dataset.root={reach}", "output=run", f"policy.model={llama}", *LANGUAGE, *options
    )
    assert outcome.code == 0, outcome.err
    trained = load_file(find_checkpoint(tmp_path / "run") / MODEL_FILE)
    original = load_file(llama / "model.safetensors")
    name = "layers.1.self_attn.q_proj"
    kept = trained[f"trunk.language.decoder.{name}.base_layer.weight"]
    assert torch.equal(kept, original[f"model.{name}.weight"].bfloat16())
    assert trained[f"trunk.language.decoder.{name}.lora_B.default.weight"].abs().sum() > 0
    golden_of = load_policy(tmp_path / "run")
    golden = read_tensors(find_checkpoint(tmp_path / "run"), golden_of[1], GOLDEN_FILE)
    assert check_golden(golden_of[0], golden, golden_of[1].golden_tasks) == 0


@pytest.mark.parametrize("generation", ["autoregressive", "parallel"])
def test_it_acts_in_a_simulation(llama, generation):
    with gymnasium.make(POINT.id) as env:
        spec = ActionSpec.from_dict(env.metadata["action_spec"])
    config = {
        "name": "language_model",
        "model": str(llama),
        "tokenizer": {"name": "uniform", "horizon": 4, "bins": 16},
        "head": {"name": "mixture"},
        "observation": {"numbers": {"observation.state": 4, "observation.environment_state": 4}},
        "prompt": "{task}",
        "generation": generation,
        "decoding": "local_mean",
    }
    policy = build_policy(spec, config).eval()
    options = {"n_action_steps": 4, "workers": 0, "batch_size": 3, "max_steps": 8}
    results = evaluate_policy(policy, POINT, episodes=3, seed=0, **options)
    assert results["episodes"] == 3
    assert results["errors"] == 0
    assert [episode["steps"] for episode in results["per_episode"]] == [8, 8, 8]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "'policy.model' must be given"),
        (("policy.model=HuggingFaceTB/SmolLM2-135M",), "'HuggingFaceTB/SmolLM2-135M' is not a folder"),
        (("policy.model={llama}", "policy.support=vocabulary"), "loss 'energy' knows action tokens alone"),
        (("policy.model={llama}", "policy.dtype=bfloat16"), "use it with lora"),
        (("policy.model={llama}", "policy.lora={rnk: 2}"), "rank of at least 1"),
        (("policy.model={llama}", "policy.prompt=Go"), "{task}"),
    ],
)
def test_what_will_not_do_is_told_before_anything_is_trained(command, reach, llama, tmp_path, options, says):
    options = [option.replace("{llama}", str(llama)) for option in options]
    outcome = command("dist2-train", f"dataset.root={reach}", "output=run", *LANGUAGE, *options)
    assert outcome.code == 2
    assert says in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "run").exists()
