"""An exported policy that is ready to act. T steps, A action dimensions, P committed steps, K moments."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dist2_robot.checkpoints.golden import PREFIX_ACTIONS, PREFIX_STEPS, check_golden_shapes
from dist2_robot.deploy.forms.eager_policy import WARM_UP_ROUNDS, blank_request
from dist2_robot.deploy.forms.exported_folder import ExportedFolder
from dist2_robot.deploy.forms.inference_checks import RequestError, check_answer, check_request
from dist2_robot.deploy.forms.onnx_policy import OnnxRunner
from dist2_robot.deploy.forms.policy_graph import TASK
from dist2_robot.deploy.forms.torch_export_policy import TorchExportRunner
from dist2_robot.deploy.inference import Inferred, PolicyCard
from dist2_robot.errors import InputError, naming
from dist2_robot.pictures import resize

ACTION_RTOL, ACTION_ATOL = 1e-4, 1e-6  # of policies without tokens, as for golden actions of checkpoints


class Runner(Protocol):
    """What computes a graph."""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the outputs of `PolicyGraph` for its inputs, by name."""
        ...


class ExportedPolicy:
    """Implements `Inference`. One observation at a time.

    Args:
        card: What the policy needs and gives.
        run: Computes its graph.
    """

    def __init__(self, card: PolicyCard, run: Runner) -> None:
        self.card, self._run = card, run
        self._numbers = {task: number for number, task in enumerate(card.observation.tasks)}

    def infer(self, features: Mapping[str, np.ndarray], task: str | None, prefix: np.ndarray | None) -> Inferred:
        """See `Inference.infer`. What is wrong with the request raises RequestError, a ValueError."""
        begin = time.perf_counter()
        out = self.outputs(features, task, prefix)
        entropy, error = (out[name][0] if name in out else None for name in ("entropy", "expected_error"))
        answer = Inferred(out["actions"][0], entropy, error, time.perf_counter() - begin)
        check_answer(self.card, answer)  # NaN in the graph makes actions or entropy NaN
        return answer

    def reset(self) -> None:
        """Nothing is remembered."""

    def outputs(
        self, features: Mapping[str, np.ndarray], task: str | None, prefix: np.ndarray | None
    ) -> Mapping[str, np.ndarray]:
        """Return all that the graph gives, unchecked, for a request that is checked."""
        card = self.card
        check_request(card, features, task, prefix)
        inputs = {name: np.asarray(features[name], np.float32)[None] for name in card.observation.numbers}
        for name, size in card.observation.pictures.items():
            inputs[name] = _pictures(np.asarray(features[name]), size)
        if self._numbers:
            if task not in self._numbers:
                raise RequestError(f"an exported policy knows the tasks of its data only, not '{task}'")
            inputs[TASK] = np.array([self._numbers[task]])
        if card.max_prefix:
            given = np.zeros((0, len(card.spec)), np.float32) if prefix is None else prefix
            actions = np.zeros((1, card.max_prefix, len(card.spec)), np.float32)
            actions[0, : len(given)] = given
            inputs |= {PREFIX_ACTIONS: actions, PREFIX_STEPS: np.array([len(given)])}
        return self._run(inputs)


def load_exported(folder: Path | str, device: str = "cpu") -> ExportedPolicy:
    """Load the output folder of dist2-export, try its golden observations, and warm up.

    Raises:
        InputError: There is none, or it is damaged, or does not run here.
    """
    exported = ExportedFolder(Path(folder))
    with naming(Path(folder)):
        policy = ExportedPolicy(exported.card, new_runner(exported, device))
    golden, tasks = exported.golden(), exported.manifest.golden_tasks
    features, task = blank_request(exported.card)
    try:
        check_golden_shapes(golden, tasks, exported.card.observation, len(exported.card.spec))
        for _ in range(WARM_UP_ROUNDS):
            policy.infer(features, task, None)
        wrong = count_wrong(policy, golden, tasks)
    except (KeyError, IndexError, RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"'{folder}' does not run on {device}: {' '.join(str(error).split())[:300]}") from error
    policy.card = replace(exported.card, golden_wrong=wrong)
    return policy


def new_runner(exported: ExportedFolder, device: str) -> Runner:
    """Return what computes the graph of a folder. Raises InputError where it cannot be computed here."""
    if exported.card.form == "torch_export":
        return TorchExportRunner(exported, device)
    return OnnxRunner(exported, device)


def count_wrong(policy: ExportedPolicy, golden: Mapping[str, Tensor], tasks: Sequence[str]) -> int:
    """Return how many golden tokens, or actions of a policy without them, the graph gives differently."""
    key = "tokens" if "tokens" in golden else "actions"
    rows = [policy.outputs(*golden_request(policy.card, golden, tasks, row))[key] for row in range(len(golden[key]))]
    given, wanted = np.concatenate(rows), golden[key].numpy()
    if key == "tokens":
        return int((given != wanted).sum())
    return int((~np.isclose(given, wanted, rtol=ACTION_RTOL, atol=ACTION_ATOL)).sum())


def golden_request(
    card: PolicyCard, golden: Mapping[str, Tensor], tasks: Sequence[str], row: int
) -> tuple[dict[str, np.ndarray], str | None, np.ndarray | None]:
    """Return features, task and prefix of a row of golden observations."""
    features = {name: golden[name][row].numpy() for name in card.observation.names}
    prefix = golden[PREFIX_ACTIONS][row, : int(golden[PREFIX_STEPS][row])].numpy() if PREFIX_STEPS in golden else None
    return features, tasks[row] if tasks else None, prefix


def _pictures(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return pictures ((K,) height, width, 3) as (1, (K,) height, width, 3) in a size, float32.

    Resized here by the same function as in training, whose rounding of bytes graphs do not know.
    """
    pictures = torch.from_numpy(np.ascontiguousarray(x if x.dtype == np.uint8 else x.astype(np.float32)))
    resized = resize(pictures.reshape(-1, *x.shape[-3:]), size)
    return resized.float().reshape(1, *x.shape[:-3], *size, 3).numpy()
