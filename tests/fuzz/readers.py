"""Who reads what: for each kind of file the readers of ours that would see it, as their commands call them."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dist2_robot.actions.spec_file import read_spec_file
from dist2_robot.checkpoints.frame_predictors import load_frame_predictor
from dist2_robot.checkpoints.registry import build_distance, build_policy
from dist2_robot.checkpoints.store import find_checkpoint, load_policy
from dist2_robot.claims.page import write_claim_page
from dist2_robot.claims.results import read_claim
from dist2_robot.cli import deploy
from dist2_robot.cli.card import card
from dist2_robot.cli.compare import compare
from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.dataset import load_training_data
from dist2_robot.cli.eval import evaluate
from dist2_robot.cli.import_data import import_data
from dist2_robot.cli.rate import rate
from dist2_robot.cli.report import report
from dist2_robot.cli.tokenizer import tokenizer
from dist2_robot.cli.train import train
from dist2_robot.cli.validate import validate
from dist2_robot.deploy.forms.eager_policy import blank_request
from dist2_robot.deploy.forms.exported_folder import EXPORT_FILE
from dist2_robot.deploy.forms.forms import load_inference
from dist2_robot.deploy.inference import Inference
from dist2_robot.deploy.loop.fitness import differences
from dist2_robot.deploy.loop.log_format import header
from dist2_robot.deploy.loop.run_log import replay
from dist2_robot.deploy.serving.access import read_token, server_tls
from dist2_robot.deploy.serving.messages import card_message, read_card
from dist2_robot.deploy.serving.schema import check_message
from dist2_robot.deploy.wire import pack, unpack
from dist2_robot.studies.page import write_page
from dist2_robot.studies.results import read_results
from tests.data.recordings import SPEC
from tests.deploy.fakes import FakeClock, FakeRobot
from tests.fuzz.bases import Bases

Reader = Callable[[Path, Bases], Any]  # of the folder that is given, and of sound files of other kinds


@cache
def _composed(command: str) -> dict[str, Any]:
    needed = {
        "eval": ["checkpoint=x", "env=none"], "rate": ["checkpoint=x", "dataset.root=x"], "report": [],
        "validate": ["dataset.root=x"], "import": ["source=x", "dataset.root=x"], "card": ["of=x"],
        "compare": ["runs=[x]"], "deploy": ["checkpoint=x"], "tokenizer": ["dataset.root=x"],
        "train": ["env=none", "dataset.root=x", "output=x", "trainer.steps=6", "trainer.save_every=4"],
    }  # fmt: skip
    return compose_config(command, needed[command])


def config(command: str, **options: Any) -> dict[str, Any]:
    """Return the config of a command with some options, ``__`` for a dot in their names."""
    made = copy.deepcopy(_composed(command))
    for name, value in options.items():
        *groups, last = name.split("__")
        node = made
        for group in groups:
            node = node[group]
        node[last] = value
    return made


def _out(given: Path) -> str:
    return str(given.parent / "out")


# Checkpoints.


def load(given: Path, bases: Bases) -> None:
    load_policy(given)


def serve(given: Path, bases: Bases, form: str = "eager") -> None:
    """Open a checkpoint as dist2-serve does, ask it once, and let a client read what it says of itself."""
    folder = given if (given / EXPORT_FILE).exists() else find_checkpoint(given)
    inference = load_inference(form, folder)
    _ask(inference)
    message = unpack(pack(card_message(inference.card)))
    check_message(message, {"card"})
    read_card(message)


def _ask(inference: Inference) -> None:
    """Ask twice; what comes must be in the limits that the policy itself tells, or nearly."""
    features, task = blank_request(inference.card)
    dimensions = inference.card.spec.dimensions
    low, high = (np.array([getattr(d, end) for d in dimensions]) for end in ("low", "high"))
    for _ in range(2):
        actions = inference.infer(features, task, None).actions
        far = np.maximum(low - actions, actions - high) / (high - low)
        if inference.card.tokenizer and not (far <= 1.0).all():
            raise AssertionError(f"actions beyond their limits are answered: {actions[0]} of [{low}, {high}]")


def serve_onnx(given: Path, bases: Bases) -> None:
    serve(given, bases, "onnx")


def serve_traced(given: Path, bases: Bases) -> None:
    serve(given, bases, "torch_export")


def open_deploy(given: Path, bases: Bases) -> None:
    """Do what dist2-deploy does before anything moves."""
    options = config("deploy", checkpoint=str(given))
    settings = deploy._settings(options)
    folder = deploy._policy_folder(options)
    inference = load_inference("eager", folder)
    robot = FakeRobot(FakeClock()).description
    differences(inference.card, robot, settings)
    json.dumps(header(robot, inference.card, settings, {}))


def evaluate_held_out(given: Path, bases: Bases) -> int:
    return evaluate(config("eval", checkpoint=str(given), output=_out(given)))


def evaluate_elsewhere(given: Path, bases: Bases) -> int:
    there = {"checkpoint": str(given), "dataset__root": str(bases("reach"))}
    return evaluate(config("eval", output=_out(given), **there))


def evaluate_simulation(given: Path, bases: Bases) -> int:
    """Evaluate in what the manifest says, if it names anything."""
    options = {"env": {"id": "recorded"}, "episodes": 1, "workers": 0, "videos": 0}
    return evaluate(config("eval", checkpoint=str(given), output=_out(given), **options))


def resume(given: Path, bases: Bases) -> int:
    """Go on with a training that took four steps."""
    options = json.loads((bases("run") / "config.json").read_text())
    options |= {"output": str(given), "resume": True, "resume_changed": True, "name": None}
    options["trainer"] = options["trainer"] | {"steps": 5}
    return train({key: value for key, value in options.items() if key != "processes"})


def make_card(given: Path, bases: Bases) -> int:
    return card(config("card", of=str(given), overwrite=True))


def lerobot_policy(given: Path, bases: Bases) -> None:
    """Load a checkpoint as LeRobot's commands do: the policy, then its pipelines."""
    from lerobot.policies import make_pre_post_processors

    from dist2_robot.lerobot.modeling_dist2 import Dist2Policy

    folder = find_checkpoint(given)
    policy = Dist2Policy.from_pretrained(folder)
    make_pre_post_processors(policy.config, pretrained_path=str(folder))


def load_frames(given: Path, bases: Bases) -> None:
    load_frame_predictor(given)


def rate_reach(given: Path, bases: Bases) -> int:
    return rate(config("rate", checkpoint=str(given), dataset__root=str(bases("reach")), output=_out(given)))


def each_tokenizer(given: Path, bases: Bases) -> None:
    """Serve the checkpoint that was changed: the one whose bytes differ."""
    base = bases("tokenizers")
    for folder in sorted(base.iterdir()):
        same = all(_same(path, given / path.relative_to(base)) for path in folder.rglob("*") if path.is_file())
        if not same:
            serve(given / folder.name, bases)


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()


# Datasets.


def validate_all(given: Path, bases: Bases) -> int:
    out = _out(given)
    return validate(config("validate", dataset__root=str(given), output=out, write_spec=f"{out}/arm.yaml"))


def repair(given: Path, bases: Bases) -> int:
    return validate(config("validate", dataset__root=str(given), fix=f"{_out(given)}/sound"))


def training_data(given: Path, bases: Bases, **options: Any) -> Any:
    wanted = config("train", dataset__root=str(given), **options)
    wanted["dataset"]["cache"] = f"{_out(given)}/cache"
    data = load_training_data(wanted["dataset"], 3, 0)
    data.remarks()
    data.describe()
    return data.environments, data.observation


def compare_tokenizers(given: Path, bases: Bases) -> int:
    options = {"tokenizers": ["uniform"], "horizon": 3, "output": _out(given)}
    return tokenizer(config("tokenizer", dataset__root=str(given), **options))


def rate_dataset(given: Path, bases: Bases) -> int:
    return rate(config("rate", checkpoint=str(bases("reward")), dataset__root=str(given), output=_out(given)))


def score_dataset(given: Path, bases: Bases) -> int:
    there = {"checkpoint": str(bases("run")), "dataset__root": str(given)}
    return evaluate(config("eval", output=_out(given), **there))


def import_from(*sources: str, **options: Any) -> tuple[Reader, ...]:
    """Return readers that import these files or folders of what is given."""

    def reader(source: str) -> Reader:
        def read(given: Path, bases: Bases) -> int:
            new = {"source": str(given / source), "dataset__root": f"{_out(given)}/new"}
            return import_data(config("import", **new, **options))

        read.__name__ = f"import_{source.replace('.', '_') or 'it'}"
        return read

    return tuple(reader(source) for source in sources)


def chosen_episodes(given: Path, bases: Bases) -> Any:
    return training_data(bases("reach"), bases, dataset__episodes=str(given / "ratings.json"))


# Results.


def report_runs(given: Path, bases: Bases) -> int:
    return report(config("report", runs=_runs(given), output=f"{_out(given)}.html", picture=f"{_out(given)}.png"))


def compare_runs(given: Path, bases: Bases) -> int:
    return compare(config("compare", runs=_runs(given), output=_out(given)))


def _runs(given: Path) -> list[str]:
    """Return the runs in a folder of them, else the folder itself and a sound run beside it."""
    return [str(given / name) for name in ("run0", "run1")] if (given / "run1").is_dir() else [str(given)]


def card_of_run(given: Path, bases: Bases) -> int:
    return card(config("card", of=str(given), overwrite=True))


def report_deployment(given: Path, bases: Bases) -> int:
    return report(config("report", deployments=[str(given)]))


def replay_deployment(given: Path, bases: Bases) -> None:
    replay(given)


def study_page(given: Path, bases: Bases) -> None:
    write_page(read_results(given), given)


def claim_page(given: Path, bases: Bases) -> None:
    write_claim_page(read_claim(given / "results.json"), given / "table.md", given / "picture.png")


# Files that an option names.


def distances(ending: str) -> Reader:
    def read(given: Path, bases: Bases) -> None:
        build_distance({"name": "matrix", "path": str(given / f"distances.{ending}")})

    read.__name__ = f"distances_{ending}"
    return read


def spec_file(given: Path, bases: Bases) -> None:
    read_spec_file(given / "arm.yaml")


def spec_of_data(given: Path, bases: Bases) -> Any:
    return training_data(bases("reach"), bases, dataset__spec=str(given / "arm.yaml"))


def spec_of_evaluation(given: Path, bases: Bases) -> int:
    there = {"checkpoint": str(bases("run")), "output": _out(given), "spec": str(given / "arm.yaml")}
    return evaluate(config("eval", **there))


def access(given: Path, bases: Bases) -> None:
    read_token(given / "server.token")
    server_tls(given / "cert.pem", given / "key.pem")


def language_policy(given: Path, bases: Bases) -> None:
    _new_policy({"name": "language_model", "model": str(given), "prompt": "Task: {task}."})


def told_policy(given: Path, bases: Bases) -> None:
    sizes = {"width": 8, "depth": 1, "attention_heads": 2}
    _new_policy({"name": "token", "instruction": {"name": "text_model", "path": str(given)}, **sizes})


def _new_policy(choices: dict[str, Any]) -> None:
    build_policy(
        SPEC,
        {
            "tokenizer": {"name": "uniform", "horizon": 3, "bins": 16},
            "head": {"name": "free"},
            "observation": {"numbers": {"observation.state": 3}, "tasks": ["push the block", "push"]},
            "decoding": "argmax",
            "distance": {"name": "squared"},
            **choices,
        },
    )


@dataclass(frozen=True)
class Kind:
    """Attributes:
    base: Of what the file is a part.
    files: Patterns of the files that are changed.
    readers: Who sees them.
    """

    base: str
    files: tuple[str, ...]
    readers: tuple[Reader, ...]


EVALUATED = (evaluate_held_out, evaluate_elsewhere, evaluate_simulation)
OPENED = (load, serve, open_deploy, *EVALUATED, make_card, lerobot_policy)
LAST = "checkpoints/step_*"
DATA = (validate_all, repair, training_data, compare_tokenizers, make_card, score_dataset, rate_dataset)
KINDS: dict[str, Kind] = {
    "manifest": Kind("run", (f"{LAST}/manifest.json",), OPENED),
    "weights": Kind("run", (f"{LAST}/model.safetensors",), OPENED),
    "golden": Kind("run", (f"{LAST}/golden.safetensors",), (serve, open_deploy, lerobot_policy)),
    "training_state": Kind("run", (f"{LAST}/training.safetensors",), (resume,)),
    "lerobot": Kind("run", (f"{LAST}/config.json", f"{LAST}/policy_*.json"), (lerobot_policy,)),
    "tokenizer": Kind("tokenizers", ("*/manifest.json", "*/model.safetensors"), (each_tokenizer,)),
    "reward_model": Kind("reward", (f"{LAST}/manifest.json", f"{LAST}/model.safetensors"), (rate_reach, serve)),
    "frame_predictor": Kind("frames", (f"{LAST}/manifest.json", f"{LAST}/model.safetensors"), (load_frames,)),
    "language_checkpoint": Kind("language_run", (f"{LAST}/manifest.json", f"{LAST}/model.safetensors"), (serve,)),
    "told_checkpoint": Kind("text_run", (f"{LAST}/manifest.json", f"{LAST}/model.safetensors"), (serve,)),
    "export": Kind("exported", ("export.json", "policy.onnx", "golden.safetensors"), (serve_onnx,)),
    "traced": Kind("traced", ("export.json", "checkpoint/*", "golden.safetensors"), (serve_traced,)),
    "run": Kind(
        "run",
        ("config.json", "summary.json", "examples.json", "metrics.jsonl", "held_out.json", "eval/results.json"),
        (report_runs, compare_runs, card_of_run, resume, evaluate_held_out),
    ),
    "simulated_run": Kind(
        "simulated",
        ("run0/*.json", "run0/metrics.jsonl", "run1/eval/results.json", "run0/eval/results.json"),
        (report_runs, compare_runs),
    ),
    "info": Kind("reach", ("meta/info.json",), DATA),
    "recording": Kind("reach", ("meta/dist2_robot.json",), DATA),
    "data": Kind("reach", ("data/chunk-000/*.parquet",), DATA),
    "tables": Kind("reach", ("meta/tasks.parquet", "meta/episodes/chunk-000/*.parquet", "meta/stats.json"), DATA),
    "readme": Kind("arm", ("README.md", "meta/info.json", "data/chunk-000/*.parquet"), DATA[:5]),
    "pictures": Kind("filmed", ("data/chunk-000/*.parquet", "meta/info.json"), DATA[:3]),
    "video": Kind("video", ("videos/*/*/*.mp4", "meta/episodes/*/*.parquet", "meta/info.json"), DATA[:3]),
    "rated": Kind("rated", ("data/chunk-000/*.parquet", "meta/*.json"), (rate_dataset, validate_all)),
    "lerobot_v2": Kind("v2", ("meta/*", "data/chunk-000/*.parquet", "videos/*/*/*.mp4"), import_from("")),
    "lerobot_v3": Kind(
        "v3", ("meta/*.json", "meta/*.parquet", "meta/episodes/*/*", "data/*/*", "videos/*/*/*"),
        import_from("", rename={"command": "action", "observation.pose": "observation.state"}),
    ),
    "zarr": Kind("zarr", ("buffer2.zarr/**/*",), import_from("buffer2.zarr", rate_hz=10)),
    "zarr3": Kind("zarr", ("buffer3.zarr/**/*",), import_from("buffer3.zarr", rate_hz=10)),
    "zarr_zip": Kind("zarr", ("buffer.zarr.zip",), import_from("buffer.zarr.zip", rate_hz=10)),
    "robomimic": Kind("hdf5", ("robomimic.hdf5",), import_from("robomimic.hdf5", rate_hz=10)),
    "aloha": Kind("hdf5", ("aloha/*",), import_from("aloha", rate_hz=10)),
    "minari": Kind("hdf5", ("minari/data/*",), import_from("minari", rate_hz=10)),
    "d4rl": Kind("hdf5", ("d4rl.hdf5",), import_from("d4rl.hdf5", rate_hz=10)),
    "npz": Kind("npz", ("flat.npz",), import_from("flat.npz", rate_hz=10)),
    "npz_numbered": Kind("npz", ("numbered.npz",), import_from("numbered.npz", rate_hz=10)),
    "rlds": Kind("rlds", ("1.0.0/*",), import_from("", rate_hz=10)),
    "deployment": Kind(
        "deployment", ("log.jsonl", "log.jsonl", "results.json"), (report_deployment, replay_deployment)
    ),
    "study": Kind("study", ("results.json",), (study_page,)),
    "claim": Kind("claim", ("results.json",), (claim_page,)),
    "distances_npy": Kind("plain", ("distances.npy",), (distances("npy"),)),
    "distances_csv": Kind("plain", ("distances.csv",), (distances("csv"),)),
    "distances_json": Kind("plain", ("distances.json",), (distances("json"),)),
    "spec": Kind("plain", ("arm.yaml",), (spec_file, spec_of_data, spec_of_evaluation)),
    "ratings": Kind("plain", ("ratings.json",), (chosen_episodes,)),
    "access": Kind("plain", ("server.token", "*.pem"), (access,)),
    "language_model": Kind("language", ("*.json", "model.safetensors"), (language_policy,)),
    "text_model": Kind("text", ("*.json", "model.safetensors"), (told_policy,)),
}  # fmt: skip
