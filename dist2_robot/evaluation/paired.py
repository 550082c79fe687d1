"""Two policies on the same initial states: how much better is the second, and could it be chance?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dist2_robot.errors import InputError

RESAMPLES = 10_000
BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class PairedComparison:
    """Outcome of two policies over the same episodes.

    Attributes:
        n: Pairs of episodes.
        rate_a: Success rate of the first.
        rate_b: Success rate of the second.
        difference: ``rate_b - rate_a``.
        interval: 95 % bootstrap interval of the difference. It has no width where the two never differ, so with few
            pairs in ``only_a`` and ``only_b`` it is too narrow; ``mcnemar_p`` is exact.
        only_a: Episodes that only the first solved.
        only_b: Episodes that only the second solved.
        mcnemar_p: Exact two-sided p of McNemar's test; 1 if the two never differ.
    """

    n: int
    rate_a: float
    rate_b: float
    difference: float
    interval: tuple[float, float]
    only_a: int
    only_b: int
    mcnemar_p: float


def compare_paired(a: Sequence[bool], b: Sequence[bool]) -> PairedComparison:
    """Compare the successes of two policies, where entry i of both started from the same initial state.

    Raises:
        ValueError: The lengths differ, or there is nothing to compare.
    """
    if len(a) != len(b) or len(a) == 0:
        raise ValueError(
            f"a paired comparison needs as many episodes in both runs, and at least one: {len(a)}, {len(b)}"
        )
    from scipy.stats import binomtest

    first, second = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    only_a, only_b = int((first & ~second).sum()), int((second & ~first).sum())
    return PairedComparison(
        n=len(first),
        rate_a=float(first.mean()),
        rate_b=float(second.mean()),
        difference=(only_b - only_a) / len(first),
        interval=_bootstrap_interval(second.astype(np.int8) - first.astype(np.int8)),
        only_a=only_a,
        only_b=only_b,
        mcnemar_p=float(binomtest(only_a, only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0,
    )


def _bootstrap_interval(gains: np.ndarray) -> tuple[float, float]:
    """Percentile interval of the mean of `gains` (N,). Episodes are drawn, so that swapping the runs mirrors it."""
    draws = np.random.default_rng(BOOTSTRAP_SEED).integers(len(gains), size=(RESAMPLES, len(gains)), dtype=np.int32)
    low, high = np.percentile(gains[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def compare_results(
    a: Mapping[str, Any], b: Mapping[str, Any], names: tuple[str, str] = ("first", "second")
) -> PairedComparison:
    """Compare two evaluations (contents of results.json), paired by episode seed.

    Pairs in which either episode ended in an error say nothing about the policies and are left out.

    Raises:
        InputError: The two were not run from the same initial states, or no pair is left.
    """
    for key in ("environment", "task"):
        if a.get(key) != b.get(key):
            raise InputError(
                f"'{names[0]}' and '{names[1]}' cannot be paired: {key} is '{a.get(key)}' in one and '{b.get(key)}' in "
                "the other; evaluate both on the same"
            )
    first, second = outcomes_of(a, names[0]), outcomes_of(b, names[1])
    if first.keys() != second.keys():
        shared = len(first.keys() & second.keys())
        raise InputError(
            f"'{names[0]}' and '{names[1]}' share only {shared} initial states of {len(first)} and {len(second)}; "
            "evaluate both with the same seed and number of episodes"
        )
    valid = [seed for seed in first if "error" not in (first[seed], second[seed])]
    if not valid:
        raise InputError(f"'{names[0]}' and '{names[1]}' have no episode that both finished; evaluate them again")
    return compare_paired([first[seed] == "success" for seed in valid], [second[seed] == "success" for seed in valid])


def outcomes_of(results: Mapping[str, Any], name: str) -> dict[int, str]:
    """Return episode seed -> outcome of an evaluation. Raises InputError where a seed occurs twice."""
    episodes = results["per_episode"]
    outcomes = {episode["seed"]: episode["outcome"] for episode in episodes}
    if len(outcomes) != len(episodes):
        raise InputError(f"'{name}' cannot be paired: it holds {len(episodes)} episodes but {len(outcomes)} seeds")
    return outcomes


# Training seed -> episode seed -> outcome.
SeededOutcomes = Mapping[int, Mapping[int, str]]


@dataclass(frozen=True)
class SeededComparison:
    """Two methods over the same training seeds, each on the same episodes; several tasks count alike.

    Attributes:
        training_seeds: How many, of each task.
        n: Pairs of episodes, of all tasks and training seeds.
        difference: Success rate of the second minus that of the first.
        interval: 95 % bootstrap interval: training seeds are drawn, then episodes of each. Too narrow with few training
            seeds: with three, a spread between them counts by a factor of sqrt(2 / 3) only.
    """

    training_seeds: int
    n: int
    difference: float
    interval: tuple[float, float]


def compare_seeds(tasks: Sequence[tuple[SeededOutcomes, SeededOutcomes]]) -> SeededComparison:
    """Compare two methods that were trained with several seeds, on one task or on the mean of several.

    Pairs are formed by training seed and episode seed; those in which either episode ended in an error are left out.

    Raises:
        ValueError: The two have other training seeds or episodes, or a training seed has no pair.
    """
    if not tasks:
        raise ValueError("a paired comparison needs at least one task")
    gains = []
    for first, second in tasks:
        if first.keys() != second.keys():
            raise ValueError(f"training seeds differ: {sorted(first)} and {sorted(second)}")
        gains.append([_gains(first[seed], second[seed]) for seed in sorted(first)])
    return SeededComparison(
        training_seeds=min(map(len, gains)),
        n=sum(len(seed) for task in gains for seed in task),
        difference=_mean_of_means(gains),
        interval=_nested_interval(gains),
    )


def rate_of_seeds(tasks: Sequence[SeededOutcomes]) -> tuple[float, tuple[float, float]]:
    """Return the success rate of a method over several training seeds, as mean over tasks, with its 95 % interval.

    Bootstrap as in `compare_seeds`; an episode that ended in an error does not count.

    Raises:
        ValueError: There is no task, or a training seed without an episode.
    """
    if not tasks:
        raise ValueError("a success rate needs at least one task")
    successes = [[_gains({}, outcomes[seed]) for seed in sorted(outcomes)] for outcomes in tasks]
    return _mean_of_means(successes), _nested_interval(successes)


def _gains(first: Mapping[int, str], second: Mapping[int, str]) -> np.ndarray:
    """Return success of the second minus success of the first (N,); without a first one it is the success."""
    if first and first.keys() != second.keys():
        raise ValueError("the episodes differ: evaluate both with the same seed and number of episodes")
    pairs = [(first.get(seed, ""), second[seed]) for seed in sorted(second)]
    gains = [int(b == "success") - int(a == "success") for a, b in pairs if "error" not in (a, b)]
    if not gains:
        raise ValueError("a training seed has no episode that ended without an error")
    return np.array(gains, dtype=np.int8)


def _mean_of_means(tasks: Sequence[Sequence[np.ndarray]]) -> float:
    return float(np.mean([np.mean([seed.mean() for seed in task]) for task in tasks]))


def _nested_interval(tasks: Sequence[Sequence[np.ndarray]]) -> tuple[float, float]:
    """Percentile interval of the mean over tasks; of each task, training seeds are drawn, then episodes of each."""
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    means = np.zeros(RESAMPLES)
    for task in tasks:
        drawn = generator.integers(len(task), size=(RESAMPLES, len(task)))
        for number, gains in enumerate(task):
            rows, _ = np.nonzero(drawn == number)
            episodes = generator.integers(len(gains), size=(len(rows), len(gains)), dtype=np.int32)
            np.add.at(means, rows, gains[episodes].mean(axis=1) / len(task) / len(tasks))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
