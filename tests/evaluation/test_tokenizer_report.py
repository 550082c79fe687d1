"""What is measured of tokenizers, against closed forms on actions that are known."""

import math
from itertools import pairwise

import pytest
import torch

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.data.table import FrameTable
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.evaluation.tokenizer_report import frontier, measure_tokenizer, share_at_limits
from dist2_robot.evaluation.tokenizer_table import columns, format_tokenizers
from dist2_robot.tokenizers.digits import DigitsTokenizer
from dist2_robot.tokenizers.fast import FastTokenizer
from dist2_robot.tokenizers.residual_vq import ResidualVQTokenizer
from dist2_robot.tokenizers.uniform import UniformTokenizer

T = 4
SPEC = ActionSpec(
    (
        ActionDimension("x", "joint", "rad", 0.0, 1.0, tolerance=0.1),
        ActionDimension("yaw", "joint", "deg", -180.0, 180.0, wraps=True),
    ),
    "absolute",
    20.0,
    "file",
)


def windows(actions):
    """Return the windows of one episode of these actions (N, 2)."""
    count = len(actions)
    zero, untold = torch.tensor([0]), torch.full((count,), -1)
    table = FrameTable({"action": actions}, zero, torch.tensor([count]), "", tasks=(), task_numbers=untold, parts=zero)
    return ChunkWindows(table, torch.arange(count), T)


def ramp(count=400):
    """Return actions that pass through every place of their ranges equally often."""
    share = (torch.arange(count) + 0.5) / count
    return torch.stack([share, 360 * share - 180], dim=1)


def measured(tokenizer, training=None, held_out=None):
    training = windows(ramp()) if training is None else training
    return measure_tokenizer("it", tokenizer, training, training if held_out is None else held_out)


def test_equal_bins_err_by_a_quarter_of_their_width_on_average():
    report = measured(UniformTokenizer(SPEC, T, bins=10))
    assert report.error_by_dimension["x"] == pytest.approx(0.1 / 4, rel=0.02)
    assert report.error_by_dimension["yaw"] == pytest.approx(36 / 4, rel=0.02)
    assert report.tolerances_by_dimension == pytest.approx({"x": 0.25, "yaw": 2.5}, rel=0.02)
    assert report.error["mean"] == pytest.approx((0.25 + 2.5) / 2, rel=0.02)
    assert report.error["max"] == pytest.approx(5.0, rel=0.05)
    assert report.error["mean"] < report.error["p99"] < report.error["max"]


def test_an_angle_errs_the_short_way_round():
    class Turned(UniformTokenizer):
        def _decode(self, tokens):
            return super()._decode(tokens) + torch.tensor([0.0, 360.0])

    plain, turned = measured(UniformTokenizer(SPEC, T, bins=10)), measured(Turned(SPEC, T, bins=10))
    assert turned.error_by_dimension["yaw"] == pytest.approx(plain.error_by_dimension["yaw"], rel=1e-4)


def test_padding_is_no_error():
    """Of an episode of one step, repeated, the windows of a longer chunk hold one step each."""
    actions = torch.tensor([[0.5, 0.0]] * T)
    held_out = windows(actions)
    held_out.table.features["action"][-1, 0] = 0.97  # which is repeated in all windows but the first

    class Exact(UniformTokenizer):
        def _decode(self, tokens):
            return torch.tensor([0.5, 0.0]).expand(len(tokens), T, 2)

    report = measured(Exact(SPEC, T, bins=10), held_out=held_out)
    assert report.error_by_dimension["x"] == pytest.approx(0.47 * 4 / 10)  # the last of 4, 3, 2 and 1 steps


def test_costs_are_counted():
    report = measured(UniformTokenizer(SPEC, T, bins=16))
    assert (report.tokens, report.tokens_used, report.vocab_size) == (8, 8.0, 16)
    assert report.tokens_per_s == pytest.approx(8 / (4 / 20))
    assert report.bits_per_s == pytest.approx(40 * 4)
    assert min(report.fit_s, report.encode_us, report.decode_us) >= 0


def test_evenly_used_tokens_are_all_occupied():
    report = measured(UniformTokenizer(SPEC, T, bins=16))
    assert report.occupied == 1.0
    assert report.perplexity == pytest.approx(1.0, abs=0.01)
    assert report.histogram == pytest.approx([1.0] * len(report.histogram), abs=0.06)
    assert report.saturated == pytest.approx(2 / 16, rel=0.1)  # of x: the yaw has no ends


def test_a_robot_that_stands_still_uses_one_token():
    still = windows(torch.tensor([[1.0, 10.0]]).repeat(40, 1))
    report = measured(UniformTokenizer(SPEC, T, bins=16), still)
    assert report.occupied == report.perplexity == pytest.approx(1 / 16)
    assert report.saturated == 1.0
    assert sum(report.histogram) == pytest.approx(len(report.histogram))
    assert share_at_limits(SPEC, still) == {"x": 1.0}


def test_codes_and_symbols_are_counted_from_the_most_used_and_have_no_edges():
    report = measured(ResidualVQTokenizer(SPEC, T, stages=2, codes=16))
    assert report.kind == "codes"
    assert report.saturated is None
    assert all(a >= b - 1e-9 for a, b in pairwise(report.histogram))
    assert measured(DigitsTokenizer(SPEC, T)).saturated is None


def test_padding_tokens_count_nowhere():
    report = measured(FastTokenizer(SPEC, T, step=2.0))
    assert report.kind == "symbols"
    assert report.tokens == 8 > report.tokens_used
    assert report.perplexity > 0.02


def test_the_frontier_holds_whatever_is_not_beaten_in_both():
    reports = [
        measured(UniformTokenizer(SPEC, T, bins=64)),
        measured(UniformTokenizer(SPEC, T, bins=16)),  # as many tokens, more error
        measured(ResidualVQTokenizer(SPEC, T, stages=1, codes=2)),  # few tokens, much error
        measured(DigitsTokenizer(SPEC, T)),  # many tokens, no error
    ]
    assert [reports.index(report) for report in frontier(reports)] == [2, 0, 3]
    text = format_tokenizers(reports, SPEC, {"odd": "because"})
    assert text.count("* it") == 2 * 3
    assert text.endswith("odd: not measured, because")
    assert "yaw (deg)" in text


def test_columns_are_in_line():
    lines = columns([["a", "bb"], ["ccc", "1"]], 1)
    assert lines == ["a    bb", "───────", "ccc   1"]


def test_errors_have_no_upper_bound_that_hides_them():
    report = measured(UniformTokenizer(SPEC, T, bins=2))
    assert math.isfinite(report.error["max"])
    assert report.error["max"] == pytest.approx(25.0, rel=0.05)
