"""How good a policy is on recorded episodes that it did not learn from: no simulation is needed.

E episodes, B batch, T steps of a chunk, A action dimensions, M of them move, V tokens.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.distances.difference import difference
from dist2_robot.evaluation.held_out_scores import COVERAGES, HeldOutScores
from dist2_robot.evaluation.scores import (
    circular_mean,
    coverage,
    crps,
    negative_log_likelihood,
    standard_deviation,
)
from dist2_robot.finite import all_finite
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.seeding import stream_seed
from dist2_robot.tokenizers.binned import BinnedTokenizer
from dist2_robot.types import ACTION, Batch

MAX_WINDOWS = 4096  # evenly spaced over the held-out frames: the same of every policy that is scored on them
BATCH_SIZE = 256
_ROUNDING = 1e-6  # relative; recorded numbers have 32 bits


@torch.no_grad()
def score_held_out(
    policy: Policy, windows: ChunkWindows, *, max_windows: int = MAX_WINDOWS, seed: int = 0
) -> HeldOutScores:
    """Compare what a policy would do, and what it believes, with what was done.

    The distributions are those over the values of the tokens, for tokenizers whose token is one number of one step. Of
    an autoregressive policy they are given the true tokens before (teacher-forced), while its points are its own: what
    it does when it goes on from its own tokens. Dimensions that never moved are no prediction, and are not scored.

    Args:
        policy: In evaluation mode; on the device where the work is done.
        windows: Of episodes that it did not learn from; at least one.
        max_windows: Of more, so many evenly spaced ones are scored.
        seed: Of what a policy draws; the draws of others are not disturbed.

    Raises:
        ValueError: The policy gave a number that is not finite.
    """
    device = next(policy.parameters()).device
    indices = torch.linspace(0, len(windows) - 1, min(len(windows), max_windows)).long()
    table, spec, moving = windows.table, policy.spec.moving, _moving(policy.spec)
    episode_of = torch.searchsorted(table.episode_ends, windows.frames[indices], right=True)
    numbers, rows = episode_of.unique(return_inverse=True)
    sums: dict[str, Tensor] = {}
    counts = torch.zeros(len(numbers), policy.horizon, dtype=torch.float64)
    with _draws(device, seed):
        for part, row in zip(indices.split(BATCH_SIZE), rows.split(BATCH_SIZE), strict=True):
            batch = windows.gather(part).to(device)
            keep = (~batch.is_given).cpu()
            counts.index_add_(0, row, keep.double())
            for name, score in _scores(policy, batch).items():
                zero = torch.zeros(len(numbers), policy.horizon, len(spec), dtype=torch.float64)
                kept = score.double().cpu().masked_fill(~keep[..., None], 0.0)
                sums.setdefault(name, zero).index_add_(0, row, kept)
    truths = table.features[ACTION][windows.frames][:, moving]
    std = [standard_deviation(truths[:, a], _period(spec, a)) for a in range(len(spec))]
    std = [x if x > _ROUNDING * float(truths[:, a].abs().max()) else 0.0 for a, x in enumerate(std)]
    return HeldOutScores(
        spec=spec,
        horizon=policy.horizon,
        frames=len(indices),
        std=torch.tensor(std, dtype=torch.float64),
        sums=sums,
        counts=counts,
        episodes=_identities(windows, numbers.tolist()),
        decoding=getattr(policy, "decoding", None),
        belief=_belief(policy),
    )


def _moving(spec: ActionSpec) -> list[int]:
    """Return the numbers of the dimensions that move."""
    return [a for a, dimension in enumerate(spec.dimensions) if dimension.constant is None]


def _belief(policy: Policy) -> str | None:
    if not isinstance(policy, DiscretePolicy):
        return "point"
    if not isinstance(policy.tokenizer, BinnedTokenizer):
        return None
    return "parallel" if policy.generation == "parallel" else "teacher_forced"


def _scores(policy: Policy, batch: Batch) -> dict[str, Tensor]:
    """Return the scores of a batch, (B, T, M) each."""
    if _belief(policy) in (None, "point"):
        error = _errors(policy.spec, policy.act(batch.observation).actions, batch.actions)
        return {"mae": error} | ({"crps": error} if _belief(policy) == "point" else {})
    assert isinstance(policy, DiscretePolicy)
    tokens = policy.tokenizer.encode(batch.actions)
    prediction = policy.predict(batch.observation, tokens)
    if not all_finite(prediction.logits):
        raise ValueError("the policy gave logits that are not finite")
    is_decided = batch.observation.prefix is not None
    once = policy.generation == "parallel" and not is_decided  # what `act` would do, without a second pass
    points = policy.decode(prediction) if once else policy.act(batch.observation)
    found = {"mae": _errors(policy.spec, points.actions, batch.actions)}
    return found | _of_distributions(policy, prediction.logits, tokens, batch.actions)


def _of_distributions(policy: DiscretePolicy, logits: Tensor, tokens: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Return the scores of the predicted distributions, dimension by dimension: all at once take much memory."""
    tokenizer, spec, moving = policy.tokenizer, policy.spec.moving, _moving(policy.spec)
    assert isinstance(tokenizer, BinnedTokenizer)
    shape = truth.shape[:-1]  # (B, T)
    logits = logits.unflatten(1, (tokenizer.horizon, -1))  # (B, T, A, V)
    tokens = tokens.unflatten(1, (tokenizer.horizon, -1))
    columns: dict[str, list[Tensor]] = {}
    for a, count in enumerate(tokenizer.counts.tolist()):
        log_p = torch.log_softmax(logits[:, :, a, :count].double(), dim=-1).flatten(0, 1)  # (N, V)
        p, k, y = log_p.exp(), tokens[:, :, a].flatten(), truth[:, :, moving[a]].flatten().double()
        edges, period = tokenizer.edges[a, : count + 1], _period(spec, a)
        values = (edges[1:] + edges[:-1]) / 2
        center = None
        if period is not None:
            mean = circular_mean(p, values, period)
            center = torch.searchsorted(edges, edges[0] + (mean - edges[0]) % period, right=True) - 1
            center = center.clamp(0, count - 1)
        margin = _ROUNDING * (edges[-1] - edges[0])
        beyond = ((y < edges[0] - margin) | (y > edges[-1] + margin)).double() * (period is None)
        found = {
            "crps": crps(p, values, y, period),
            "nll": negative_log_likelihood(log_p, k, edges.diff()),
            **{name: coverage(p, k, share, center) for name, share in COVERAGES.items()},
            "outside": beyond,
        }
        for name, column in found.items():
            columns.setdefault(name, []).append(column.unflatten(0, shape))
    return {name: torch.stack(parts, dim=-1) for name, parts in columns.items()}


def _errors(spec: ActionSpec, predicted: Tensor, truth: Tensor) -> Tensor:
    """Return |predicted - truth| of what moves, (B, T, M), the short way round where a dimension wraps."""
    error, moving = (predicted.double() - truth.double())[..., _moving(spec)], spec.moving
    for a in range(len(moving)):
        error[..., a] = difference(error[..., a], torch.zeros_like(error[..., a]), _period(moving, a))
    return error.abs()


def _period(spec: ActionSpec, a: int) -> float | None:
    dimension = spec.dimensions[a]
    return dimension.high - dimension.low if dimension.wraps else None


def _identities(windows: ChunkWindows, numbers: list[int]) -> tuple[tuple[int, str], ...]:
    """Return number and digest of episodes; of equal ones the second and later have their rank in it."""
    table, found, seen = windows.table, [], dict[str, int]()
    for number in numbers:
        actions = table.features[ACTION][int(table.episode_starts[number]) : int(table.episode_ends[number])]
        digest = hashlib.sha256(actions.contiguous().numpy().tobytes()).hexdigest()[:16]
        seen[digest] = seen.get(digest, 0) + 1
        found.append((number, digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"))
    return tuple(found)


@contextmanager
def _draws(device: torch.device, seed: int) -> Iterator[None]:
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(stream_seed(seed, "evaluate"))
        yield
