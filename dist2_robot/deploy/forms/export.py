"""A checkpoint to an exported folder, and how near the one is to the other. T steps, A action dimensions."""

import contextlib
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from dist2_robot.checkpoints.folders import begin_folder, put_in_place, settle_folder
from dist2_robot.checkpoints.golden import GOLDEN_FILE, PREFIX_ACTIONS, PREFIX_STEPS, golden_tensors
from dist2_robot.checkpoints.manifest import MANIFEST_FILE, Manifest
from dist2_robot.checkpoints.provenance import provenance
from dist2_robot.checkpoints.store import MODEL_FILE, find_checkpoint, load_policy, read_tensors
from dist2_robot.deploy.forms.eager_policy import policy_card
from dist2_robot.deploy.forms.exported_folder import (
    CHECKPOINT_FOLDER,
    GRAPH_FILE,
    ExportedFolder,
    ExportManifest,
    describe,
    size_bytes,
    write_manifest,
)
from dist2_robot.deploy.forms.exported_policy import ExportedPolicy, count_wrong, golden_request, new_runner
from dist2_robot.deploy.forms.onnx_policy import quantise_onnx, write_onnx
from dist2_robot.deploy.forms.policy_graph import check_exportable, trace
from dist2_robot.errors import InputError
from dist2_robot.models.observation_encoder import ObservationEncoder
from dist2_robot.policies.policy import Policy
from dist2_robot.types import Observation, Prefix

RANDOM_OBSERVATIONS = 256
LEAST_SAME = 0.99  # of the answers to random observations: there are ties, which rounding may turn


class ParityError(Exception):
    """The exported policy is not the policy. One line."""


@dataclass(frozen=True)
class Parity:
    """Attributes:
    golden_wrong: How many golden tokens (of a policy without tokens: actions) differ.
    golden_count: Of how many.
    random_same: Share of the tokens (or actions) to random observations that are the same.
    random_error: Mean difference of those actions, in tolerances.
    random_worst: Largest difference, in tolerances.
    """

    golden_wrong: int
    golden_count: int
    random_same: float
    random_error: float
    random_worst: float


@dataclass(frozen=True)
class Exported:
    """Attributes: folder: Where it is. form: What it is. parity: How near. size_bytes: Of all its files."""

    folder: Path
    form: str
    parity: Parity
    size_bytes: int


def export_policy(checkpoint: Path | str, output: Path, form: str) -> Exported:
    """Export a checkpoint, compare, and put the folder in place only if the tokens are the same.

    Args:
        checkpoint: A checkpoint folder, or that of a run.
        output: Where to; replaced if it is there.
        form: ``onnx``, ``onnx_int8`` or ``torch_export``.

    Raises:
        InputError: There is no such checkpoint, or its policy cannot be exported.
        ParityError: The golden tokens differ. Not for ``onnx_int8``, which is only near.
        OSError: The folder cannot be written.
    """
    folder = find_checkpoint(Path(checkpoint))
    policy, manifest = load_policy(folder)
    check_exportable(policy)
    if output.exists() and not (output / "export.json").exists():
        raise InputError(f"output '{output}' holds something else than an export: choose another folder")
    golden = _golden(folder, policy, manifest)
    unfinished = begin_folder(output)
    try:
        outputs = _write_graph(folder, policy, form, unfinished)
        save_file(golden, unfinished / GOLDEN_FILE)
        card = policy_card(folder, policy, manifest, form, 0)
        about = ExportManifest(describe(card), outputs, manifest.golden_tasks, {}, provenance())
        write_manifest(unfinished, about)
        parity = _compare(policy, unfinished, golden, manifest.golden_tasks)
        _require(parity, form)
        card = replace(card, golden_wrong=parity.golden_wrong)
        write_manifest(unfinished, replace(about, card=describe(card), parity=asdict(parity)))
        put_in_place(unfinished, output)
    except BaseException:
        with contextlib.suppress(OSError):
            settle_folder(output)
        raise
    return Exported(output, form, parity, size_bytes(output))


def _write_graph(folder: Path, policy: Policy, form: str, unfinished: Path) -> list[str]:
    """Write the files of a form; return the names of what its graph gives."""
    if form == "torch_export":
        (unfinished / CHECKPOINT_FOLDER).mkdir()
        for name in (MANIFEST_FILE, MODEL_FILE):
            shutil.copyfile(folder / name, unfinished / CHECKPOINT_FOLDER / name)
        return []  # it is traced when it is read
    graph, program = trace(policy)
    write_onnx(graph, program, unfinished / GRAPH_FILE)
    if form == "onnx_int8":
        quantise_onnx(unfinished / GRAPH_FILE)
    return graph.outputs


def _golden(folder: Path, policy: Policy, manifest: Manifest) -> dict[str, Tensor]:
    """Return the golden observations of a checkpoint with what the policy answers here, one at a time."""
    if GOLDEN_FILE not in manifest.files:
        raise InputError(f"checkpoint '{folder}' has no golden observations to compare with: train it anew")
    golden = read_tensors(folder, manifest, GOLDEN_FILE)
    rows = []
    for row in range(len(next(iter(golden.values())))):
        seen = {name: golden[name][row : row + 1] for name in policy.observation.names}
        tasks = tuple(manifest.golden_tasks[row : row + 1]) or None
        prefix = None
        if PREFIX_STEPS in golden:
            prefix = Prefix(golden[PREFIX_ACTIONS][row : row + 1], golden[PREFIX_STEPS][row : row + 1])
        rows.append(golden_tensors(policy, Observation(seen, tasks, prefix)))
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def random_observation(policy: Policy, rows: int, seed: int = 0) -> Observation:
    """Return observations near the statistics of the training data, noise for pictures, and prefixes of all lengths."""
    draw = torch.Generator().manual_seed(seed)
    spec, history = policy.observation, policy.observation.history
    moments = () if history == 1 else (history,)
    features = {}
    for name, size in spec.numbers.items():
        mean, std = policy.normalizer.statistics(name)
        features[name] = mean + std * torch.randn(rows, *moments, size, generator=draw)
    for name, size in spec.pictures.items():
        shape = (rows, *moments, *size, 3)
        features[name] = torch.randint(0, 256, shape, generator=draw, dtype=torch.uint8)
    encoder = policy.trunk.encoder
    assert isinstance(encoder, ObservationEncoder), "see check_exportable"
    told = encoder.instruction is not None
    tasks = tuple(spec.tasks[i % len(spec.tasks)] for i in range(rows)) if told else None
    prefix = None
    if policy.max_prefix:
        low, high = (torch.tensor([getattr(d, end) for d in policy.spec.dimensions]) for end in ("low", "high"))
        share = torch.rand(rows, policy.max_prefix, len(policy.spec), generator=draw)
        steps = torch.randint(0, policy.max_prefix + 1, (rows,), generator=draw)
        prefix = Prefix(low + share * (high - low), steps)
    return Observation(features, tasks, prefix)


def _compare(policy: Policy, unfinished: Path, golden: dict[str, Tensor], tasks: list[str]) -> Parity:
    exported = ExportedFolder(unfinished)
    inference = ExportedPolicy(exported.card, new_runner(exported, "cpu"))
    seen = random_observation(policy, RANDOM_OBSERVATIONS)
    wanted = golden_tensors(policy, seen)
    actions = policy.act(seen).actions.numpy()
    names = list(seen.tasks or ())
    given = [inference.outputs(*golden_request(exported.card, wanted, names, row)) for row in range(len(actions))]
    ours = np.concatenate([out["actions"] for out in given])
    tolerances = np.array([d.tolerance for d in policy.spec.dimensions])
    error = _distance(ours, actions, policy) / tolerances
    answers = golden["tokens"] if "tokens" in golden else golden["actions"]
    return Parity(
        golden_wrong=count_wrong(inference, golden, tasks),
        golden_count=answers.numel(),
        random_same=1 - count_wrong(inference, wanted, names) / (len(actions) * answers[0].numel()),
        random_error=float(error.mean()),
        random_worst=float(error.max()),
    )


def _distance(a: np.ndarray, b: np.ndarray, policy: Policy) -> np.ndarray:
    """Return how far apart actions (..., A) are, the short way round where they wrap."""
    period = np.array([d.high - d.low if d.wraps else np.inf for d in policy.spec.dimensions])
    apart = np.abs(a.astype(np.float64) - b)
    return np.minimum(apart, np.abs(period - apart))


def _require(parity: Parity, form: str) -> None:
    if form == "onnx_int8" or (parity.golden_wrong == 0 and parity.random_same >= LEAST_SAME):
        return
    raise ParityError(
        f"the exported policy is not the same: {parity.golden_wrong} of {parity.golden_count} golden answers differ, "
        f"and {1 - parity.random_same:.1%} of those to random observations, by {parity.random_error:.2g} tolerances: "
        "nothing was written; use form=eager, and tell us"
    )
