"""A checkpoint in PyTorch itself, as it was trained or with its trunk compiled.

T steps of a chunk, A action dimensions, L tokens of a chunk, P committed steps.
"""

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dist2_robot.checkpoints.golden import GOLDEN_FILE, check_golden, check_golden_shapes
from dist2_robot.checkpoints.manifest import MANIFEST_FILE, Manifest
from dist2_robot.checkpoints.store import find_checkpoint, load_policy, read_tensors
from dist2_robot.deploy.forms.inference_checks import check_answer, check_request
from dist2_robot.deploy.inference import Inferred, PolicyCard
from dist2_robot.errors import InputError
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.types import Observation, Prefix

WARM_UP_ROUNDS = 3  # the first calls fill caches and, compiled, take minutes


class EagerPolicy:
    """Implements `Inference`. One observation at a time.

    Args:
        policy: Ready to act.
        card: Of it.
        device: Where it computes.
    """

    def __init__(self, policy: Policy, card: PolicyCard, device: str = "cpu") -> None:
        self._policy, self._card, self._device = policy, card, torch.device(device)
        self._steps_of_tokens = steps_of_tokens(policy)

    @classmethod
    def load(cls, checkpoint: Path | str, device: str = "cpu") -> "EagerPolicy":
        """Load a checkpoint, try its golden observations, and warm up.

        Raises:
            InputError: There is none, or it is damaged, or does not run here.
        """
        return _load(cls, checkpoint, device, "eager")

    @property
    def card(self) -> PolicyCard:
        return self._card

    def infer(self, features: Mapping[str, np.ndarray], task: str | None, prefix: np.ndarray | None) -> Inferred:
        """See `Inference.infer`. What is wrong with the request raises RequestError, a ValueError."""
        begin = time.perf_counter()
        check_request(self._card, features, task, prefix)
        with torch.inference_mode():
            chunk = self._policy.act(self._observation(features, task, prefix))
            self._check_tokens(chunk.tokens)
            actions = chunk.actions[0].float().cpu().numpy()
            entropy = None if chunk.entropy is None else self._by_step(chunk.entropy[0].float().cpu())
            error = None if chunk.expected_error is None else chunk.expected_error[0].float().cpu().numpy()
        answer = Inferred(actions, entropy, error, time.perf_counter() - begin)
        check_answer(self._card, answer)
        return answer

    def reset(self) -> None:
        self._policy.reset()

    def _observation(
        self, features: Mapping[str, np.ndarray], task: str | None, prefix: np.ndarray | None
    ) -> Observation:
        seen = {}
        for name in self._card.observation.names:
            x = torch.tensor(np.asarray(features[name]))[None]
            seen[name] = x if x.dtype == torch.uint8 and name in self._card.observation.pictures else x.float()
        committed = None
        if self._card.max_prefix:  # always of one length, so that a compiled policy is compiled once
            given = np.zeros((0, len(self._card.spec)), np.float32) if prefix is None else prefix
            actions = np.zeros((1, self._card.max_prefix, len(self._card.spec)), np.float32)
            actions[0, : len(given)] = given
            committed = Prefix(torch.from_numpy(actions), torch.tensor([len(given)]))
        return Observation(seen, None if task is None else (task,), committed).to(self._device)

    def _check_tokens(self, tokens: Tensor | None) -> None:
        if tokens is None or not isinstance(self._policy, DiscretePolicy):
            return
        tokenizer = self._policy.tokenizer
        if tokens.shape != (1, tokenizer.tokens_per_chunk):
            raise ValueError(f"the policy gave {tuple(tokens.shape)} tokens, not (1, {tokenizer.tokens_per_chunk})")
        if ((tokens < 0) | (tokens >= tokenizer.vocab_size)).any():
            raise ValueError(f"the policy gave tokens that are not in [0, {tokenizer.vocab_size})")

    def _by_step(self, entropy: Tensor) -> np.ndarray:
        """Return the mean entropy of the tokens of a step, (T,); that of all where tokens belong to no step."""
        if self._steps_of_tokens is None or len(entropy) != self._steps_of_tokens.shape[1]:
            return np.full(self._card.horizon, float(entropy.mean()), np.float32)
        return (self._steps_of_tokens @ entropy).numpy()


class CompiledPolicy(EagerPolicy):
    """The same with the trunk compiled by torch, which takes a while when it is loaded."""

    @classmethod
    def load(cls, checkpoint: Path | str, device: str = "cpu") -> "CompiledPolicy":
        return _load(cls, checkpoint, device, "compiled")


def policy_card(folder: Path, policy: Policy, manifest: Manifest, form: str, golden_wrong: int | None) -> PolicyCard:
    """Return the card of a checkpoint folder whose policy is loaded."""
    return PolicyCard(
        checkpoint=str(folder),
        digest=hashlib.sha256((folder / MANIFEST_FILE).read_bytes()).hexdigest(),
        form=form,
        spec=policy.spec,
        horizon=policy.horizon,
        max_prefix=int(getattr(policy, "max_prefix", 0)),
        observation=policy.observation,
        observation_names=manifest.observation_names,
        tasks=tuple(manifest.tasks),
        tokenizer=policy.tokenizer.config() if isinstance(policy, DiscretePolicy) else {},
        golden_wrong=golden_wrong,
        observation_units=manifest.observation_units,
    )


def count_golden_wrong(folder: Path, policy: Policy, manifest: Manifest) -> int | None:
    """Return how many golden numbers the policy gives differently, one observation at a time; None without any."""
    if GOLDEN_FILE not in manifest.files:
        return None
    golden, tasks = read_tensors(folder, manifest, GOLDEN_FILE), manifest.golden_tasks
    try:
        check_golden_shapes(golden, tasks, policy.observation, len(policy.spec))
        rows = len(next(iter(golden.values())))
        with torch.inference_mode():
            return sum(
                check_golden(policy, {name: x[row : row + 1] for name, x in golden.items()}, tasks[row : row + 1])
                for row in range(rows)
            )
    except (KeyError, RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"'{folder / GOLDEN_FILE}' cannot be tried on its policy: {_line(error)}") from error


def _load[P: EagerPolicy](cls: type[P], checkpoint: Path | str, device: str, form: str) -> P:
    folder = find_checkpoint(Path(checkpoint))
    policy, manifest = load_policy(folder, device)
    if form == "compiled":
        policy.trunk.compile()
    ready = cls(
        policy, policy_card(folder, policy, manifest, form, count_golden_wrong(folder, policy, manifest)), device
    )
    features, task = blank_request(ready.card)
    try:
        for _ in range(WARM_UP_ROUNDS):
            ready.infer(features, task, None)
    except (RuntimeError, ValueError) as error:  # no compiler, a device without memory, weights that are not finite
        raise InputError(f"'{folder}' does not run as form={form} on {device}: {_line(error)}") from error
    ready.reset()
    return ready


def blank_request(card: PolicyCard) -> tuple[dict[str, np.ndarray], str | None]:
    """Return features of zeros and grey, and a task, that the policy of a card can be asked: to warm it up."""
    moments = () if card.observation.history == 1 else (card.observation.history,)
    features: dict[str, np.ndarray] = {}
    for name, size in card.observation.numbers.items():
        features[name] = np.zeros((*moments, size), np.float32)
    for name, size in card.observation.drawn.items():
        features[name] = np.full((*moments, *size, 3), 128, np.uint8)
    return features, next(iter(card.observation.tasks or card.tasks), None)


def steps_of_tokens(policy: Policy) -> Tensor | None:
    """Return weights (T, L) of the mean over the tokens of a step, or None where tokens belong to no step."""
    if not isinstance(policy, DiscretePolicy):
        return None
    of_step = policy.tokenizer.padding_mask(torch.eye(policy.horizon, dtype=torch.bool)).float().cpu()  # (T, L)
    if not (of_step.sum(dim=0) == 1).all() or not of_step.any(dim=1).all():
        return None
    return of_step / of_step.sum(dim=1, keepdim=True)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
