"""The rule by which methods go on to the second stage."""

import random

from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.studies.method import Method
from dist2_robot.studies.selection import rank
from tests.studies.synthetic_rows import A, B, C, D, make_row, rows_by_task


def names(rows):
    return [candidate.method.loss for candidate in rank(rows)]


def test_the_mean_over_tasks_decides_and_not_the_best_task():
    assert names([*rows_by_task(A, 1.0, 0.0), *rows_by_task(B, 0.6, 0.6), *rows_by_task(C, 0.2, 0.5)]) == [
        "b",
        "a",
        "c",
    ]


def test_a_method_counts_with_its_best_decoding_which_is_the_same_on_all_tasks():
    rows = [*rows_by_task(A, 1.0, 0.0, decoding="mean"), *rows_by_task(A, 0.0, 1.0, decoding="argmax")]
    rows += rows_by_task(A, 0.5, 0.2, decoding="median")
    rows += rows_by_task(B, 0.6, 0.6, decoding="mean") + rows_by_task(B, 0.7, 0.7, decoding="argmax")
    first, second = rank(rows)
    assert (first.method, first.decoding, first.success) == (B, "argmax", 0.7)
    assert (second.method, second.success) == (A, 0.5)  # not 1.0, the best decoding of each task


def test_ties_go_to_the_smaller_action_error():
    rows = [*rows_by_task(A, 0.5, 0.5, error=0.3), *rows_by_task(B, 0.4, 0.6, error=0.2), *rows_by_task(C, 0.5, 0.5)]
    assert names(rows) == ["c", "b", "a"]
    rows = [*rows_by_task(A, 0.5, 0.5, error=0.3), *rows_by_task(A, 0.5, 0.5, error=0.2, decoding="argmax")]
    assert rank(rows)[0].decoding == "argmax"


def test_what_lacks_a_task_or_a_rate_is_left_out():
    rows = [*rows_by_task(A, 0.1, 0.1), make_row(B, "push", 1.0), make_row(C, "push", 1.0)]
    rows += [make_row(C, "choice", 1.0, errors=5), *rows_by_task(D, 1.0, 1.0, decoding="mean")]
    rows += [make_row(D, "choice", 1.0, decoding="sample")]
    assert [(candidate.method, candidate.decoding) for candidate in rank(rows)] == [(D, "mean"), (A, "mean")]
    assert rank([]) == []


def test_every_task_counts_alike_however_many_seeds_it_has():
    rows = [make_row(A, "push", 1.0, seed=seed) for seed in range(3)] + [make_row(A, "choice", 0.0)]
    assert rank(rows)[0].success == 0.5


def test_variants_are_methods_of_their_own():
    wide = Method("free", "a", "temperature.tau=8")
    assert len(rank([*rows_by_task(A, 0.5, 0.5), *rows_by_task(wide, 0.6, 0.6)])) == 2


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(["mean", "argmax"]), st.integers(0, 4)), max_size=9)
)
def test_the_order_of_rows_does_not_matter_and_the_order_of_ranks_is_that_of_rates(drawn):
    unique = {(name, decoding): rate for name, decoding, rate in drawn}
    rows = [
        row
        for (name, decoding), rate in unique.items()
        for row in rows_by_task(Method("free", name), rate / 4, 0.5, decoding=decoding)
    ]
    ranking = rank(rows)
    assert rank(random.Random(0).sample(rows, len(rows))) == ranking
    rates = [candidate.success for candidate in ranking]
    assert rates == sorted(rates, reverse=True)
    assert {candidate.method.loss for candidate in ranking} == {name for name, _ in unique}
