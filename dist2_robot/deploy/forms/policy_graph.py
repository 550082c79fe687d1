"""A policy as one graph: what is observed goes in, actions come out, and nothing in between asks Python.

One observation at a time. T steps of a chunk, A action dimensions, L tokens of a chunk, P committed steps, K moments,
D width.
"""

import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from dist2_robot.checkpoints.golden import PREFIX_ACTIONS, PREFIX_STEPS
from dist2_robot.deploy.forms.eager_policy import steps_of_tokens
from dist2_robot.errors import InputError
from dist2_robot.models.instruction_encoder import InstructionEncoder
from dist2_robot.models.observation_encoder import ObservationEncoder
from dist2_robot.policies.discrete_policy import DiscretePolicy
from dist2_robot.policies.language_policy import LanguagePolicy
from dist2_robot.policies.policy import Policy
from dist2_robot.tokenizers.fast import FastTokenizer
from dist2_robot.types import Observation, Prefix

TASK = "task"  # input: the number of the task among those that the policy can be told
MOST_PASSES = 16  # of an autoregressive policy, which are written one after the other: 16 take minutes to export


class PolicyGraph(nn.Module):
    """Takes tensors in the order of `inputs` and gives those of `outputs`.

    Inputs: numbers (1, size) and pictures (1, height, width, 3), both float32, the latter from 0 to 255 in the size
    that the policy sees them in (with a history (1, K, ...)); ``task`` (1,), where it is told one; ``prefix.actions``
    (1, P, A) and ``prefix.steps`` (1,), where it can be given committed steps.

    Outputs: ``actions`` (1, T, A), and where the policy has them ``tokens`` (1, L), ``entropy`` (1, T), the mean over
    the tokens of a step, and ``expected_error`` (1, T, A). A number that is not finite on the way makes actions or
    entropy NaN.
    """

    steps_of_tokens: Tensor | None

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy = deepcopy(policy).cpu().eval()
        told = policy.observation.tasks
        encoder = policy.trunk.encoder
        assert isinstance(encoder, ObservationEncoder), "see check_exportable"
        if encoder.instruction is not None:
            with torch.no_grad():
                encoder.instruction = _TaskTable(encoder.instruction(told))
        self.inputs = [*policy.observation.names, *([TASK] if encoder.instruction is not None else [])]
        self.inputs += [PREFIX_ACTIONS, PREFIX_STEPS] if policy.max_prefix else []
        steps = steps_of_tokens(policy)
        self.register_buffer("steps_of_tokens", steps)  # (T, L)
        with torch.no_grad():  # also fills the caches of what tokens mean, which a trace cannot
            self.outputs = [name for name, x in self._chunk(self.example()).items() if x is not None]

    def example(self) -> list[Tensor]:
        """Return inputs of the right shapes."""
        seen = self.policy.observation
        moments = () if seen.history == 1 else (seen.history,)
        numbers = [torch.zeros(1, *moments, size) for size in seen.numbers.values()]
        pictures = [torch.full((1, *moments, *size, 3), 128.0) for size in seen.pictures.values()]
        rest: dict[str, Tensor] = {TASK: torch.zeros(1, dtype=torch.long)}
        rest[PREFIX_ACTIONS] = torch.zeros(1, self.policy.max_prefix, len(self.policy.spec))
        rest[PREFIX_STEPS] = torch.zeros(1, dtype=torch.long)
        return [*numbers, *pictures, *(rest[name] for name in self.inputs if name in rest)]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        chunk = self._chunk(inputs)
        return tuple(x for name in self.outputs if (x := chunk[name]) is not None)

    def _chunk(self, inputs: Sequence[Tensor]) -> dict[str, Tensor | None]:
        given = dict(zip(self.inputs, inputs, strict=True))
        prefix = Prefix(given[PREFIX_ACTIONS], given[PREFIX_STEPS]) if self.policy.max_prefix else None
        features = {name: given[name] for name in self.policy.observation.names}
        # The table below takes the number of the task where others take its words.
        chunk = self.policy.act(Observation(features, given.get(TASK), prefix))  # type: ignore[arg-type]
        return {
            "actions": chunk.actions,
            "tokens": chunk.tokens,
            "entropy": None if chunk.entropy is None else self._by_step(chunk.entropy),
            "expected_error": chunk.expected_error,
        }

    def _by_step(self, entropy: Tensor) -> Tensor:
        if self.steps_of_tokens is None:
            return entropy.mean(-1, keepdim=True).expand(-1, self.policy.horizon)
        return entropy @ self.steps_of_tokens.T


class _TaskTable(InstructionEncoder):
    """The vectors of the known tasks, worked out once: a graph reads no words."""

    vectors: Tensor

    def __init__(self, vectors: Tensor) -> None:
        """Args: vectors: (tasks, D)."""
        super().__init__()
        self.register_buffer("vectors", vectors)

    def forward(self, tasks: Sequence[str] | Tensor) -> Tensor:
        return self.vectors[tasks]  # type: ignore[index]

    def config(self) -> Mapping[str, object]:  # type: ignore[override]
        raise NotImplementedError("it stands in for another one in a graph")


def check_exportable(policy: Policy) -> None:
    """Raise InputError, naming what stands in the way, where a policy cannot become a graph."""
    if isinstance(policy, LanguagePolicy):
        raise InputError(
            "policy=language_model cannot be exported: its words are read by Python; serve it with form=eager"
        )
    if not isinstance(policy.trunk.encoder, ObservationEncoder):
        name = policy.config()["name"]
        raise InputError(f"policy={name} cannot be exported, its network is LeRobot's: serve it with form=eager")
    if not isinstance(policy, DiscretePolicy):
        return
    if isinstance(policy.tokenizer, FastTokenizer):
        raise InputError(
            "tokenizer=fast cannot be exported: what its tokens expand to has no fixed length; serve it with "
            "form=eager, or train with tokenizer=dct, the same without merges"
        )
    if policy.decoding == "sample":
        raise InputError("decoding=sample cannot be exported, it draws: choose another with decoding=...")
    passes = policy.tokenizer.tokens_per_chunk // policy.tokens_per_query
    if policy.generation == "autoregressive" and passes > MOST_PASSES:
        raise InputError(
            f"an autoregressive policy of {passes} passes cannot be exported, at most {MOST_PASSES} can: serve it with "
            "form=eager, or train with policy.generation=parallel"
        )


def trace(policy: Policy) -> tuple[PolicyGraph, ExportedProgram]:
    """Return the graph of a policy, and the same traced by torch.export. Raises InputError where there is none."""
    check_exportable(policy)
    bad = [name for name, x in policy.state_dict().items() if x.is_floating_point() and not torch.isfinite(x).all()]
    if bad:
        raise InputError(f"the policy cannot be exported: its {bad[0]} holds numbers that are not finite")
    graph = PolicyGraph(policy).eval()
    with torch.no_grad():
        try:
            with warnings.catch_warnings(action="ignore"):  # of torch about itself
                program = torch.export.export(graph, tuple(graph.example()), strict=False)
        except Exception as error:  # torch raises many kinds
            raise InputError(f"the policy cannot be traced ({_line(error)}): serve it with form=eager") from error
    return graph, program


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
