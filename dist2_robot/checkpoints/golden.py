"""A few observations with what the policy does about them, so that others can check that it still does."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.types import MAX_PIXELS, ActionChunk, Observation, ObservationSpec, Prefix

GOLDEN_FILE = "golden.safetensors"
PREFIX_ACTIONS, PREFIX_STEPS = "prefix.actions", "prefix.steps"


MAX_ROWS = 256  # we write some four
ROUNDING = 1e-3  # of a bin: less is no difference


def golden_tensors(policy: Policy, observation: Observation) -> dict[str, Tensor]:
    """Return what is seen, by feature, and ``tokens``, or the ``actions`` of a policy without tokens.

    What is committed, if anything, is in ``prefix.actions`` and ``prefix.steps``. Rows are shown one by one, as robots
    show them: several at once are rounded otherwise, and where two tokens are as likely that decides.
    """
    prefix, chunk = observation.prefix, _act_row_by_row(policy, observation)
    answer = {"actions": chunk.actions} if chunk.tokens is None else {"tokens": chunk.tokens}
    if prefix is not None:
        answer |= {PREFIX_ACTIONS: prefix.actions.clone(), PREFIX_STEPS: prefix.steps}
    return {**{name: observation.features[name] for name in policy.observation.names}, **answer}


def _row(observation: Observation, row: int) -> Observation:
    """Return one row of a batch, as a batch."""
    features = {name: x[row : row + 1] for name, x in observation.features.items()}
    tasks, prefix = observation.tasks, observation.prefix
    return Observation(
        features,
        None if tasks is None else tasks[row : row + 1],
        None if prefix is None else prefix.rows(row, row + 1),
    )


def check_golden_shapes(
    golden: Mapping[str, Tensor], tasks: Sequence[str], observation: ObservationSpec, actions: int
) -> None:
    """Look at golden pairs that were read before a policy is asked anything.

    Args:
        golden: Name -> tensor.
        tasks: Of the observations, if any.
        observation: What the policy looks at.
        actions: How many numbers an action has.

    Raises:
        ValueError: Something is missing, of another shape or dtype, not finite, or there are too many rows.
    """
    answer = "tokens" if "tokens" in golden else "actions"
    prefix = {PREFIX_ACTIONS, PREFIX_STEPS} & golden.keys()
    odd = golden.keys() ^ {answer, *prefix, *observation.names}
    if odd or len(prefix) == 1:
        raise ValueError(f"golden pairs lack or add {sorted(odd or prefix)[:4]}")
    rows = {len(x) if x.ndim else 0 for x in golden.values()}
    if len(rows) != 1 or not 1 <= min(rows) <= MAX_ROWS or len(tasks) not in (0, min(rows)):
        raise ValueError(f"golden pairs need the same number of rows, 1 to {MAX_ROWS}, got {sorted(rows)[:4]}")
    for name, x in golden.items():
        moments = () if observation.history == 1 else (observation.history,)
        if name in observation.pictures:
            is_valid = x.shape[1:-3] == moments and x.shape[-1:] == (3,) and max(x.shape[-3:-1]) <= MAX_PIXELS
        elif name in observation.numbers:
            is_valid = x.shape[1:] == (*moments, observation.numbers[name]) and x.is_floating_point()
        elif name in (PREFIX_ACTIONS, "actions"):
            is_valid = x.ndim == 3 and x.shape[2] == actions and x.is_floating_point()
        elif name == PREFIX_STEPS:
            is_valid = x.ndim == 1 and not x.is_floating_point() and bool((x >= 0).all())
            is_valid = is_valid and bool((x <= golden[PREFIX_ACTIONS].shape[1]).all())
        else:
            is_valid = x.ndim == 2 and not x.is_floating_point()
        if not is_valid or not bool(x.isfinite().all()):
            raise ValueError(f"golden '{name[:60]}' has the shape {tuple(x.shape)} of {x.dtype}, or is not finite")


def check_golden(policy: Policy, golden: Mapping[str, Tensor], tasks: Sequence[str]) -> int:
    """Return how many of the tokens (or of the actions, to a relative 1e-4) the policy gives differently now."""
    seen = {name: golden[name] for name in policy.observation.names}
    prefix = Prefix(golden[PREFIX_ACTIONS], golden[PREFIX_STEPS]) if PREFIX_STEPS in golden else None
    observation = Observation(seen, tuple(tasks) or None, prefix).to(next(policy.parameters()).device)
    by_row = _differences(policy, _act_row_by_row(policy, observation), golden)
    # Until 2026-11 rows were shown all at once, which is another draw where a policy draws.
    return by_row and min(by_row, _differences(policy, _act(policy, observation), golden))


def _differences(policy: Policy, chunk: ActionChunk, golden: Mapping[str, Tensor]) -> int:
    if chunk.tokens is None:
        return int((~torch.isclose(chunk.actions.cpu(), golden["actions"], rtol=1e-4, atol=1e-6)).sum())
    return int(differ(policy, chunk, golden["tokens"]).sum())


def differ(policy: Policy, chunk: ActionChunk, tokens: Tensor) -> Tensor:
    """Return where the tokens (B, L) of a chunk are others than those that were written down, (B, L).

    A value that lies on the boundary of two neighbours is in either of them: one observation by itself and several at
    once, or another processor, differ by rounding.
    """
    assert chunk.tokens is not None
    given = chunk.tokens.cpu()
    different = given != tokens
    tokenizer = policy.tokenizer if isinstance(policy, DiscretePolicy) and policy.tokenizer.is_ordered else None
    edges = None if tokenizer is None else tokenizer.boundaries()
    if tokenizer is None or edges is None or not different.any():
        return different
    edges, upper = edges.cpu().expand(len(given), -1, -1), torch.maximum(given, tokens)  # (B, L, V + 1), (B, L)
    boundary = edges.gather(-1, upper[..., None])[..., 0]
    width = edges.gather(-1, given[..., None] + 1)[..., 0] - edges.gather(-1, given[..., None])[..., 0]
    off = (tokenizer.to_values(chunk.actions).cpu().double() - boundary).abs()
    return different & ~(((given - tokens).abs() == 1) & (off <= ROUNDING * width))


def _act_row_by_row(policy: Policy, observation: Observation) -> ActionChunk:
    """Return the chunks of all rows, each shown by itself."""
    chunks = [_act(policy, _row(observation, row)) for row in range(observation.batch_size)]
    tokens = [chunk.tokens for chunk in chunks if chunk.tokens is not None]
    return ActionChunk(torch.cat([chunk.actions for chunk in chunks]), torch.cat(tokens) if tokens else None)


def _act(policy: Policy, observation: Observation) -> ActionChunk:
    """Let the policy act with the same draws every time, and leave those of others alone."""
    device = next(policy.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        return policy.act(observation)
