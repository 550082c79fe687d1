"""dist2-tokenizer: from a dataset to a table, a file and a picture."""

import json

import pytest

from dist2_robot.checkpoints.registry import TOKENIZERS
from dist2_robot.config_dir import config_dir
from tests.cli.test_refusals import refused

__all__ = ["refused"]
TWO = "tokenizers=[uniform,{name:uniform,bins:16}]"


def rows(out):
    """Return tokenizer -> its row of the first table."""
    lines = out.split("─\n")[1].split("\n\n")[0].splitlines()
    return {line[2:].split("  ")[0]: line for line in lines}


def test_all_tokenizers_are_measured_side_by_side(command, reach, tmp_path):
    outcome = command("dist2-tokenizer", f"dataset.root={reach}", "output=out", "horizon=4")
    assert outcome.code == 0, outcome.err
    found = json.loads((tmp_path / "out" / "tokenizers.json").read_text())
    measured = {row["label"]: row for row in found["tokenizers"]}
    options = {path.stem for path in (config_dir() / "tokenizer").glob("*.yaml")}
    assert set(measured) == set(rows(outcome.out)) == set(TOKENIZERS) == options
    assert found["not_measured"] == {}
    for row in measured.values():
        assert 0 < row["error"]["mean"] <= row["error"]["p99"] <= row["error"]["max"]
        assert list(row["error_by_dimension"]) == ["x", "gripper"]
        assert row["tokens_per_s"] == pytest.approx(row["tokens"] / 4 * 20)
        assert 0 < row["perplexity"] <= row["occupied"] + 1e-9 <= 1 + 1e-9
    assert found["units"] == {"x": "cm", "gripper": "%"}
    assert found["dataset"]["held_out_frames"] > 0
    assert (tmp_path / "out" / "tokenizers.png").read_bytes().startswith(b"\x89PNG")
    assert "x (cm)" in outcome.out
    assert "gripper (%)" in outcome.out


def test_some_tokenizers_with_other_settings_are_compared(command, reach, tmp_path):
    outcome = command("dist2-tokenizer", f"dataset.root={reach}", TWO, "tokenizer=dct", "tokenizer.coefficients=2")
    assert outcome.code == 0, outcome.err
    assert list(rows(outcome.out)) == ["uniform", "uniform bins=16", "dct coefficients=2"]
    assert list(tmp_path.iterdir()) == []  # nothing is written unless asked for


def test_figures_are_the_same_every_time_but_for_the_clock(command, reach, tmp_path):
    timed = ("fit_s", "encode_us", "decode_us")
    found = []
    for output in ("a", "b"):
        arguments = [f"dataset.root={reach}", "tokenizers=[fsq,residual_vq,fast]", f"output={output}"]
        assert command("dist2-tokenizer", *arguments).code == 0
        tokenizers = json.loads((tmp_path / output / "tokenizers.json").read_text())["tokenizers"]
        found.append([{key: value for key, value in row.items() if key not in timed} for row in tokenizers])
    assert found[0] == found[1]


def test_what_cannot_be_used_on_these_data_is_told_and_the_others_are_measured(command, reach):
    chosen = "tokenizers=[uniform,{name:residual_vq,steps_per_code:3},{name:fast,vocab_size:20}]"
    outcome = command("dist2-tokenizer", f"dataset.root={reach}", chosen)
    assert outcome.code == 0, outcome.err
    assert list(rows(outcome.out)) == ["uniform"]
    assert "residual_vq steps_per_code=3: not measured, " in outcome.out
    assert "fast vocab_size=20: not measured, " in outcome.out


def test_without_held_out_episodes_errors_are_of_what_was_learned(command, reach):
    outcome = command("dist2-tokenizer", f"dataset.root={reach}", TWO, "dataset.validation=0.0")
    assert outcome.code == 0, outcome.err
    assert "none held out" in outcome.out


def test_data_of_a_stranger_are_told_in_plain_numbers(command, teleoperated):
    outcome = command("dist2-tokenizer", f"dataset.root={teleoperated}", TWO)
    assert outcome.code == 0, outcome.err
    assert "wrist_roll.pos" in outcome.out
    assert "deg" not in outcome.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], ["no dataset is named", "dataset.root=FOLDER"]),
        (["dataset.root=no/such/folder"], ["'no/such/folder'"]),
        (["tokenizers=[unifrm]"], ["no tokenizer 'unifrm'", "Did you mean 'uniform'?"]),
        (["tokenizers=[]"], ["tokenizers must be a [list]"]),
        (["tokenizers=uniform"], ["tokenizers must be a [list]"]),
        (["tokenizers=[{name:dct,bin:64}]"], ["'dct' has no setting 'bin'", "Did you mean 'bins'?"]),
        (["tokenizers=[{bins:64}]"], ["no tokenizer None", "Known: "]),
        (["tokenizer=dtc"], ["no tokenizer 'dtc'", "Did you mean 'dct'?"]),
        (["horizon=0"], ["horizon must be at least 1"]),
        (["DATA", "tokenizers=[{name:dct,coefficients:99}]"], ["dct coefficients=99: ", "1 to 8"]),
        (["DATA", "horizon=50", "tokenizers=[quantile]"], ["no episode to learn from has 50 steps"]),
    ],
)
def test_wrong_input_is_told_in_one_line(refused, reach, arguments, says):
    message = refused("dist2-tokenizer", *(f"dataset.root={reach}" if word == "DATA" else word for word in arguments))
    for part in says:
        assert part in message
