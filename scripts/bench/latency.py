"""What one chunk costs on one core: an observation as numpy goes in, actions as numpy come out, all checks included.

    python scripts/bench/latency.py

Policies of the sizes of dist2-train with fresh weights (what is learned changes no time), each in every form in which
it can be deployed, beside LeRobot's ACT with about as many parameters. Each row is a process of its own on one thread;
rows of one size take turns, several times. Times are those of the process on the CPU, so that other programs on the
machine count little; --clock wall takes those on the clock. Memory is what the process grew by at most from before the
policy was loaded; its libraries count where only that form needs them.

ACT gets and gives numpy too, normalised by mean and spread, without LeRobot's processors and without any check: what it
has here is less than what it has on a robot.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded

import numpy as np
import torch
from torch import Tensor, nn

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.checkpoints.golden import GOLDEN_FILE, golden_tensors
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.checkpoints.registry import build_policy
from dist2_robot.checkpoints.store import load_policy, save_checkpoint
from dist2_robot.cli.compose import compose_config
from dist2_robot.deploy.forms.eager_policy import blank_request
from dist2_robot.deploy.forms.export import export_policy, random_observation
from dist2_robot.deploy.forms.exported_folder import size_bytes
from dist2_robot.deploy.forms.forms import load_inference
from dist2_robot.errors import InputError
from dist2_robot.types import ENVIRONMENT_STATE, STATE

NUMBERS = {STATE: 6, ENVIRONMENT_STATE: 12}
PICTURES = {"observation.images.front": (64, 64), "observation.images.wrist": (64, 64)}
SPEC = ActionSpec(
    (
        *(ActionDimension(f"joint_{i}", "joint", "rad", -1.0, 1.0) for i in range(5)),
        ActionDimension("gripper", "gripper", "%", 0.0, 100.0),
    ),
    "absolute",
    20.0,
    "robot",
)
# Options of dist2-train, and the width, heads and layers of the ACT beside it.
SIZES: dict[str, tuple[list[str], tuple[int, int, int] | None]] = {
    "tiny": ([], (52, 4, 2)),
    "small": (["size=small"], (256, 8, 2)),
    "base": (["size=base"], None),
    "tiny, 2 cameras": (["vision=conv"], None),
}
FORMS = ["eager", "compiled", "onnx", "onnx_int8", "torch_export"]
ACT_FORMS = ["ACT eager", "ACT onnx"]
WARM_UP = 20


def save_policy(folder: Path, size: str) -> None:
    """Save the policy that dist2-train begins with."""
    torch.manual_seed(0)
    options, _ = SIZES[size]
    config = compose_config("train", ["policy=token", *options])
    policy_config = dict(config["policy"])
    horizon = policy_config.pop("horizon")
    del policy_config["history"], policy_config["prefix_noise"]  # of the training
    pictures = PICTURES if "cameras" in size else {}
    observation = {"numbers": NUMBERS, "pictures": {name: list(shape) for name, shape in pictures.items()}}
    policy_config |= {"tokenizer": {**config["tokenizer"], "horizon": horizon}, "observation": observation}
    policy_config |= {name: config[name] for name in ("head", "decoding", "sampling", "distance")}
    policy_config |= {"vision": config["vision"] if pictures else None, "instruction": None}
    policy = build_policy(SPEC, policy_config).eval()
    names = {name: [str(i) for i in range(n)] for name, n in NUMBERS.items()}
    manifest = Manifest(policy.config(), SPEC.to_dict(), names, [], [], {}, 0, {}, [])
    golden = golden_tensors(policy, random_observation(policy, 4, seed=1))
    save_checkpoint(folder, manifest, policy.state_dict(), {GOLDEN_FILE: golden})


class ActChunk(nn.Module):
    """LeRobot's ACT from numbers to actions, with a scale before and behind."""

    def __init__(self, size: str) -> None:
        super().__init__()
        from lerobot.configs.types import FeatureType, PolicyFeature
        from lerobot.policies.act.configuration_act import ACTConfig
        from lerobot.policies.act.modeling_act import ACTPolicy

        width, heads, layers = SIZES[size][1] or (0, 0, 0)
        kinds = {STATE: FeatureType.STATE, ENVIRONMENT_STATE: FeatureType.ENV}
        config = ACTConfig(
            input_features={name: PolicyFeature(kinds[name], (n,)) for name, n in NUMBERS.items()},
            output_features={"action": PolicyFeature(FeatureType.ACTION, (len(SPEC),))},
            device="cpu",
            chunk_size=8,
            n_action_steps=8,
            dim_model=width,
            n_heads=heads,
            dim_feedforward=4 * width,
            n_encoder_layers=layers,
            n_decoder_layers=1,
            use_vae=False,
            pretrained_backbone_weights=None,
        )
        self.policy = ACTPolicy(config).eval()
        self.scales = nn.ParameterList(torch.ones(n) for n in (*NUMBERS.values(), len(SPEC)))

    def forward(self, state: Tensor, environment_state: Tensor) -> Tensor:
        seen = {STATE: state / self.scales[0], ENVIRONMENT_STATE: environment_state / self.scales[1]}
        return self.policy.predict_action_chunk(seen) * self.scales[2]


def load_act(form: str, size: str, folder: Path) -> tuple[Callable[[], object], int]:
    """Return what asks ACT for a chunk, and how many parameters it has."""
    torch.manual_seed(0)
    model = ActChunk(size).eval()
    parameters = sum(p.numel() for p in model.parameters())
    numbers = [np.zeros(n, np.float32) for n in NUMBERS.values()]
    if form == "ACT eager":

        def ask() -> object:
            with torch.inference_mode():
                return model(*(torch.from_numpy(x[None]) for x in numbers)).numpy()[0]

        return ask, parameters
    import onnxruntime

    path = folder / "act.onnx"
    if not path.exists():
        example = tuple(torch.zeros(1, n) for n in NUMBERS.values())
        with torch.no_grad():
            program = torch.export.export(model, example, strict=False)
            torch.onnx.export(program, example, path, dynamo=True, verbose=False, external_data=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_inputs()]
    return lambda: session.run(None, dict(zip(names, [x[None] for x in numbers], strict=True))), parameters


def work(form: str, size: str, folder: Path, clock_name: str) -> None:
    """Load one row, say how large it is, then measure as often as asked on the standard input."""
    torch.set_num_threads(1)
    before = _memory_mb("VmRSS")
    if form.startswith("ACT"):
        ask, parameters = load_act(form, size, folder)
        tokens = 0
    else:
        inference = load_inference(form, folder / (form if form.startswith(("onnx", "torch")) else "eager"))
        features, task = blank_request(inference.card)
        ask = lambda: inference.infer(features, task, None)  # noqa: E731
        parameters, tokens = 0, inference.card.horizon * len(SPEC)
    clock = time.process_time if clock_name == "cpu" else time.perf_counter
    for _ in range(WARM_UP):
        ask()
    grown = _memory_mb("VmHWM") - before
    print(f"ready {parameters} {tokens} {grown:.0f}", flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            begun = clock()
            ask()
            times.append(1000 * (clock() - begun))
        print("times", *(f"{x:.4f}" for x in times), flush=True)


def _memory_mb(entry: str) -> float:
    """Return what Linux says of this process; ``ru_maxrss`` would hold what its parent had before it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(entry))


def measure(size: str, folder: Path, arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return median and 99th percentile in ms, memory in MB, tokens and parameters of each form of a size."""
    forms = FORMS + (ACT_FORMS if SIZES[size][1] else [])
    command = [sys.executable, __file__, "--clock", arguments.clock, "--folder", str(folder), "--size", size, "--form"]
    rows, workers = {}, {}
    for form in forms:
        worker = subprocess.Popen([*command, form], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = _answer(worker, "ready")
        if ready is None:
            print(f"{size}, {form}: not to be had here (see above)", flush=True)
            continue
        workers[form], (parameters, tokens, memory) = worker, ready
        rows[form] = {"parameters": parameters, "tokens": tokens, "memory": memory}
    times: dict[str, list[float]] = {form: [] for form in workers}
    for _ in range(arguments.rounds):
        for form, worker in workers.items():
            assert worker.stdin is not None
            print(arguments.calls, file=worker.stdin, flush=True)
            times[form] += _answer(worker, "times") or []
    for form, worker in workers.items():
        worker.communicate()
        rows[form] |= {"median": float(np.median(times[form])), "p99": float(np.percentile(times[form], 99))}
    return rows


def _answer(worker: subprocess.Popen[str], word: str) -> list[float] | None:
    """Return the numbers that a worker says after a word; None where it is gone."""
    assert worker.stdout is not None
    for line in worker.stdout:  # what libraries print is passed over
        first, *rest = line.split()[:1], *line.split()[1:]
        if first == [word]:
            return [float(x) for x in rest]
    return None


def prepare(size: str, folder: Path) -> tuple[int, dict[str, float]]:
    """Write all forms of a size; return the number of parameters and the megabytes of each form on disk."""
    save_policy(folder / "eager", size)
    disk: dict[str, float] = dict.fromkeys(("eager", "compiled"), size_bytes(folder / "eager") / 1e6)
    for form in ("onnx", "onnx_int8", "torch_export"):
        try:
            disk[form] = export_policy(folder / "eager", folder / form, form).size_bytes / 1e6
        except InputError as error:
            print(f"{size}, {form}: {error}")
    return sum(p.numel() for p in load_policy(folder / "eager")[0].parameters()), disk


def table(size: str, parameters: int, disk: Mapping[str, float], rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print the rows of a size."""
    for form, row in rows.items():
        count = int(row["parameters"]) or parameters
        tokens = int(row["tokens"]) or "-"
        megabytes = f"{disk[form]:.2f}" if form in disk else "-"
        print(
            f"{size:<16} {form:<13} {count:>11,} {tokens:>6} {row['median']:>8.2f} {row['p99']:>8.2f} "
            f"{row['memory']:>10.0f} {megabytes:>8}",
            flush=True,
        )


def main() -> None:
    """Measure, print a table and how many times ACT's time a chunk of ours takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=100, help="of each form in a round")
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu")
    for hidden in ("--form", "--size", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    if arguments.form:
        work(arguments.form, arguments.size, Path(arguments.folder), arguments.clock)
        return
    torch.set_num_threads(1)
    head = f"{'policy':<16} {'form':<13} {'parameters':>11} {'tokens':>6} {'median':>8} {'p99':>8} {'memory MB':>10}"
    print(f"one observation, one thread, {arguments.clock} time; ms\n{head} {'disk MB':>8}", flush=True)
    measured = {}
    with tempfile.TemporaryDirectory() as scratch:
        for size in arguments.sizes:
            folder = Path(scratch) / size.replace(", ", "_").replace(" ", "_")
            parameters, disk = prepare(size, folder)
            measured[size] = measure(size, folder, arguments)
            table(size, parameters, disk, measured[size])
    for size, rows in measured.items():
        if "ACT eager" in rows and "onnx" in rows:
            for act, how in (("ACT onnx", "exported too"), ("ACT eager", "as LeRobot runs it")):
                if act in rows:
                    ratio = rows["onnx"]["median"] / rows[act]["median"]
                    print(f"ratio: {ratio:.2f} {size} in ONNX over ACT {how}, median time of a chunk")


if __name__ == "__main__":
    main()
