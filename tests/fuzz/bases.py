"""Sound files of every kind that is read, each written once: what is fuzzed are copies of them."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.train import train
from dist2_robot.deploy.forms.export import export_policy
from dist2_robot.json_file import write_json
from dist2_robot.studies.results import StudyResults
from tests.claims.fake_trials import make_claim
from tests.cli.small import SMALL
from tests.data.importing.others import (
    write_aloha,
    write_d4rl,
    write_lerobot_v2,
    write_lerobot_v3,
    write_minari,
    write_robomimic,
    write_zarr,
)
from tests.data.importing.tfds import write_rlds
from tests.data.recordings import SPEC, TASK, write_filmed, write_rated, write_reach
from tests.data.strangers import swings, write_arm
from tests.deploy.exported import save, small_policy
from tests.deploy.serving import certificate
from tests.deploy.test_run_log import eventful
from tests.evaluation.synthetic_runs import write_run
from tests.studies.synthetic_rows import A, B, rows_by_task

Bases = Callable[[str], Path]  # name of a base -> its folder, made where it is not there yet


def run(folder: Path, base: Bases) -> None:
    """Write the run of a training, with scores on held-out episodes as its evaluation."""
    _train(folder, f"dataset.root={base('reach')}")
    shutil.copy(folder / "held_out.json", folder / "eval.json")
    (folder / "eval").mkdir()
    (folder / "eval.json").rename(folder / "eval" / "results.json")


def reward(folder: Path, base: Bases) -> None:
    _train(folder, "policy=reward_model", f"dataset.root={base('rated')}")


def frames(folder: Path, base: Bases) -> None:
    codec = ("policy.codec.codes=16", "policy.codec.channels=8", "policy.codec.steps=20", "dataset.image_size=16")
    _train(folder, "policy=frame_predictor", f"dataset.root={base('filmed')}", *codec)


def language_run(folder: Path, base: Bases) -> None:
    _train(folder, "policy=language_model", f"policy.model={base('language')}", f"dataset.root={base('reach')}")


def text_run(folder: Path, base: Bases) -> None:
    instruction = ("instruction=text_model", f"instruction.path={base('text')}")
    _train(folder, f"dataset.root=[{base('reach')},{base('other_task')}]", *instruction)


def _train(folder: Path, *options: str) -> None:
    composed = options + tuple(option for option in SMALL if _has(option, options))
    steps = ("trainer.steps=4", "trainer.save_every=4", "trainer.validate_every=4", f"output={folder}")
    config = compose_config("train", [*composed, *steps])
    assert train(config) == 0
    torch.use_deterministic_algorithms(False)


def _has(option: str, options: tuple[str, ...]) -> bool:
    """Tell whether the policy of these options has one of the small ones."""
    kind = next((each for each in options if each.startswith("policy=")), "")
    if kind == "policy=frame_predictor":
        return not option.startswith("tokenizer.")
    if kind == "policy=reward_model":
        return not option.startswith(("tokenizer.", "policy.horizon"))
    return not kind or not option.startswith(("policy.width", "policy.depth", "policy.attention"))


def simulated(folder: Path, base: Bases) -> None:
    """Write two runs with an evaluation in simulation."""
    for seed in (0, 1):
        run = write_run(folder, "a method", rate=0.7 + 0.1 * seed, seed=seed)
        lines = (run / "metrics.jsonl").read_text().splitlines()
        (run / "metrics.jsonl").write_text("\n".join([*lines[:4], *lines[-4:], lines[41]]) + "\n")


def reach(folder: Path, base: Bases) -> None:
    write_reach(folder)
    _write_readme(folder)


def _write_readme(folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: mit\ntags: [LeRobot]\n---\n# What it is\n")


def other_task(folder: Path, base: Bases) -> None:
    write_reach(folder)
    import pyarrow.parquet as pq

    path = folder / "meta/tasks.parquet"
    table = pq.read_table(path).to_pandas()
    table.index = ["push the block"]
    table.to_parquet(path)


def rated(folder: Path, base: Bases) -> None:
    write_rated(folder)


def arm(folder: Path, base: Bases) -> None:
    write_arm(folder, swings([80, 60, 60, 50, 90, 40], frames=30))
    _write_readme(folder)


def filmed(folder: Path, base: Bases) -> None:
    write_filmed(folder, size=16)


def video(folder: Path, base: Bases) -> None:
    write_filmed(folder, video=True)


def v2(folder: Path, base: Bases) -> None:
    write_lerobot_v2(folder)


def v3(folder: Path, base: Bases) -> None:
    names = {"state": "observation.pose", "action": "command", "camera": "observation.images.top"}
    write_lerobot_v3(folder, names)


def zarr(folder: Path, base: Bases) -> None:
    folder.mkdir()
    for version in (2, 3):
        write_zarr(folder / f"buffer{version}.zarr", version)
    write_zarr(folder / "buffer.zarr.zip")


def hdf5(folder: Path, base: Bases) -> None:
    folder.mkdir()
    write_robomimic(folder / "robomimic.hdf5")
    write_aloha(folder / "aloha")
    write_minari(folder / "minari")
    write_d4rl(folder / "d4rl.hdf5")


def npz(folder: Path, base: Bases) -> None:
    folder.mkdir()
    rows = np.arange(40, dtype=np.float32).reshape(20, 2)
    np.savez(folder / "flat.npz", action=rows, state=rows[:, ::-1], episode_ends=np.array([8, 14, 20]))
    arrays = {f"{i}/{key}": rows for i in range(3) for key in ("action", "state")}
    np.savez_compressed(folder / "numbered.npz", **arrays)


def rlds(folder: Path, base: Bases) -> None:
    write_rlds(folder)


def exported(folder: Path, base: Bases) -> None:
    export_policy(save(folder.parent / "exported_from", small_policy()), folder, "onnx")


def traced(folder: Path, base: Bases) -> None:
    export_policy(save(folder.parent / "traced_from", small_policy()), folder, "torch_export")


def tokenizers(folder: Path, base: Bases) -> None:
    """Write checkpoints of policies with other tokenizers, whose fitted state is read."""
    for name in ("fast", "residual_vq", "quantile", "bspline", "per_dimension"):
        save(folder / name, small_policy(name))


def deployment(folder: Path, base: Bases) -> None:
    folder.mkdir()
    eventful(folder)
    lines = (folder / "log.jsonl").read_text().splitlines()
    (folder / "log.jsonl").write_text("\n".join(lines[:40]) + "\n")
    write_json(folder / "results.json", {"reason": "SIGINT", "episodes": [], "mode": "live", "exit_code": 130})


def plain(folder: Path, base: Bases) -> None:
    """Write the small files that a user names in an option."""
    folder.mkdir()
    apart = np.abs(np.subtract.outer(np.arange(16.0), np.arange(16.0)))
    np.save(folder / "distances.npy", apart)
    np.savetxt(folder / "distances.csv", apart, fmt="%g", delimiter=",")
    (folder / "distances.json").write_text(json.dumps(apart.tolist()))
    entries = ("name", "kind", "unit", "low", "high", "tolerance")
    told = {"rate_hz": 20, "control_mode": "delta", "observation.state": [{"name": "x", "unit": "cm"}]}
    told["action"] = [{key: getattr(d, key) for key in entries} for d in SPEC.dimensions]
    (folder / "arm.yaml").write_text(json.dumps(told))
    episodes = [{"episode": i, "score": 7.5, "mean_score": 5.0, "stages": {}} for i in range(8)]
    ratings = {"kind": "ratings", "checkpoint": "reward", "dataset": str(base("reach")), "keep": 0.5, "by": "best"}
    write_json(folder / "ratings.json", {**ratings, "kept": [0, 2, 3, 5], "per_episode": episodes})
    (folder / "server.token").write_text("a-token-of-more-than-16-letters\n")
    (folder / "server.token").chmod(0o600)
    certificate(folder)
    for path in folder.glob("*.pem"):
        path.chmod(0o600)


def language(folder: Path, base: Bases) -> None:
    from transformers import AutoModelForCausalLM, LlamaConfig

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = ["<unk>", "<s>", *dict.fromkeys(f"Task Observation Action : . and push {TASK[:-1]}".split())]
    torch.manual_seed(0)
    model = LlamaConfig(**sizes, vocab_size=len(words), max_position_embeddings=128)
    AutoModelForCausalLM.from_config(model).save_pretrained(folder)
    _word_tokenizer(words, "<unk>").save(str(folder / "tokenizer.json"))


def text(folder: Path, base: Bases) -> None:
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "push", "the", "block", *TASK[:-1].split()]
    tokenizer = _word_tokenizer(words, "[UNK]")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(1)
    BertModel(BertConfig.from_dict({**sizes, "vocab_size": len(words)})).save_pretrained(folder)


def _word_tokenizer(words: list[str], unknown: str) -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(dict.fromkeys(words))}, unk_token=unknown))
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer


def study(folder: Path, base: Bases) -> None:
    rows = [*rows_by_task(A, 0.3, 0.5), *rows_by_task(B, 0.6, 0.5)]
    stages = [{"name": "screen", "about": "Short.", "jobs": 4, "done": 4}]
    failed = [{"job": "screen/choice/free-b-seed0", "error": "the floor is gone"}]
    StudyResults("fake", stages, [asdict(A)], [], rows, failed).write(folder)


def claim(folder: Path, base: Bases) -> None:
    from dist2_robot.claims.results import gather

    made = make_claim()
    found = {t.name: {"error": 1.0 + 0.1 * t.seed + (0.2 if t.method == "one_hot" else 0.0)} for t in made.trials}
    write_json(folder / "results.json", {"kind": "claim", **_plain(gather(made, found, {}))})


def _plain(results: Any) -> Mapping[str, Any]:
    return json.loads(json.dumps(asdict(results)))


BASES: dict[str, Callable[[Path, Bases], None]] = {
    make.__name__: make
    for make in (
        *(run, reward, frames, language_run, text_run, simulated, reach, other_task, rated, arm, filmed, video, v2, v3),
        *(zarr, hdf5, npz, rlds, exported, traced, tokenizers, deployment, plain, language, text, study, claim),
    )
}


class BaseFolder:
    """Makes bases in a folder, each when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, name: str) -> Path:
        folder = self.root / name
        if not folder.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            BASES[name](folder, self)
        return folder
