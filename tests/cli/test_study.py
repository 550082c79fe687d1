"""dist2-study: from a command line to tables, and what it says when something is wrong."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.hydra_text import quoted
from dist2_robot.cli.study import _build
from dist2_robot.errors import InputError
from dist2_robot.studies.results import read_results
from tests.cli.small import SMALL

SIZES = [option for option in SMALL if option.startswith(("policy.", "tokenizer.", "trainer.batch", "trainer.warmup"))]
TINY_TRAINING = ",".join(f"'{option}'" for option in [*SIZES, "policy.horizon=4", "device=cpu"])
TINY = (
    "output=study",
    "jobs=2",
    "study.tasks=[point_around]",
    "study.collected=3",
    "study.demonstrations=2",
    f"study.options=[{TINY_TRAINING}]",
)
TINY_EFFORT = "{seeds: [1], steps: 20, episodes: 2, max_steps: 8, evaluation_seed: 0}"
TINY_PAIRS = (
    *("study.heads=[free]", "study.losses=[cross_entropy]", "study.also=[]", "study.decodings=[argmax,mean]"),
    *("study.best=1", f"study.screen={TINY_EFFORT}", f"study.final={TINY_EFFORT.replace('[1]', '[2, 3]')}"),
)


@pytest.mark.parametrize("name", ["heads_and_losses", "few_demonstrations"])
def test_every_job_is_a_command_line_that_dist2_train_takes(name):
    study = _build(compose_config("study", [f"study={name}"])["study"])
    jobs = {job.method: job for job in study.stages[0].jobs([])}
    assert len(jobs) > 3
    configs = [compose_config("train", job.train_options) for job in jobs.values()]
    assert len({json.dumps(config) for config in configs}) == len(jobs)  # every variant changes something
    tasks = {job.data for job in study.stages[0].jobs([])}
    for data in tasks:
        config = compose_config("collect", [*data.options, "dataset.root=data"])
        assert config["episodes"] == 25
        assert data.task in (config["task"], config["env"]["id"], *[data.task][: data.task.startswith("point_")])


@pytest.mark.parametrize("path", ["/tmp/a b", "it's", r"a=1,{x} $y\z", r"a\\z\\", r"\'", "\\", "'", "''"])
def test_any_path_may_be_an_option(path):
    assert compose_config("train", [f"output={quoted(path)}"])["output"] == path


def test_a_wrong_option_of_a_job_is_told_with_its_command_line():
    with pytest.raises(InputError, match=r"^loss=dist3: .*dist3"):
        compose_config("train", ["loss=dist3"])
    with pytest.raises(InputError, match=r"trainer\.steps must be a whole number"):
        compose_config("train", ["trainer.steps=few"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["study=heads_and_loses"], "no study 'heads_and_loses'"),
        (["study.heads=[mixtur]"], "no head 'mixtur'. Did you mean 'mixture'?"),
        (["study.losses=[dist3]"], "no loss 'dist3'. Did you mean 'dist2'?"),
        (["study.tasks=push-v3"], "study.tasks must be a [list]"),
        (["study.tasks=[]"], "study.tasks names no task"),
        (["study.demonstrations=30"], "study.demonstrations=30 must lie in 1..study.collected=25"),
        (["study.screen.step=5"], "'study.screen.step'"),
        (["study.screen.seeds=[]"], "training seeds"),
        (["jobs=0"], "jobs must be at least 1"),
        (["shard=[2,2]"], "shard=[2,2]"),
        (["shard=[1]"], "shard must be two whole numbers"),
        (["study=few_demonstrations", "study.methods=[{}]"], "at least two different methods"),
        (["study=few_demonstrations", "study.methods=[{},{hed: free}]"], "not hed"),
    ],
)
def test_what_is_wrong_is_refused_in_a_line(command, arguments, says):
    outcome = command("dist2-study", *arguments)
    assert outcome.code == 2
    assert says in outcome.err
    assert outcome.err.count("\n") == 1


def test_nothing_done_is_a_page_without_rows(command, tmp_path):
    outcome = command("dist2-study", *TINY, "report_only=true")
    assert outcome.code == 0
    assert read_results(tmp_path / "study").rows == []
    assert not (tmp_path / "study" / "data").exists()


@pytest.mark.slow
def test_a_study_from_demonstrations_to_tables(command, tmp_path):
    outcome = command("dist2-study", *TINY, *TINY_PAIRS)
    assert outcome.code == 0, outcome.out + outcome.err
    results = read_results(tmp_path / "study")
    assert [(stage["jobs"], stage["done"]) for stage in results.stages] == [(3, 3), (14, 14)]
    screened = {(row["head"], row["loss"], row["decoding"]) for row in results.rows if row["stage"] == "screen"}
    assert screened == {
        *[("free", "cross_entropy", decoding) for decoding in ("argmax", "mean", "sample")],
        *[("regression", loss, "none") for loss in ("l1", "mse")],
    }
    assert {len(row["outcomes"]) for row in results.rows} == {2}
    folder = tmp_path / "study/screen/point_around/free-cross_entropy-seed1"
    assert not (folder / "checkpoints").exists()
    assert json.loads((folder / "argmax/results.json").read_text())["decoding"] == "argmax"
    assert "final: 14 of 14 jobs" in (tmp_path / "study/table.txt").read_text()

    before = (tmp_path / "study/results.json").read_bytes()
    again = command("dist2-study", *TINY, *TINY_PAIRS)
    assert "14 done before, 0 to do" in again.out + again.err
    (tmp_path / "study/table.txt").unlink()
    assert command("dist2-study", *TINY, *TINY_PAIRS, "report_only=true").code == 0
    assert (tmp_path / "study/table.txt").exists()
    assert (tmp_path / "study/results.json").read_bytes() == before


@pytest.mark.slow
def test_a_training_that_breaks_is_a_failure_in_words(command, tmp_path):
    options = f"study.options=[{TINY_TRAINING},'trainer.learning_rate=1e30']"
    methods = "study.methods=[{head: free, loss: cross_entropy},{head: regression, loss: mse}]"
    effort = f"study.effort={TINY_EFFORT.replace('steps: 20', 'steps: 100')}"
    outcome = command("dist2-study", "study=few_demonstrations", *TINY, options, methods, effort)
    assert outcome.code == 1
    results = read_results(tmp_path / "study")
    assert results.rows == []
    assert len(results.failed) == 2
    assert all("not finite" in entry["error"] and "\n" not in entry["error"] for entry in results.failed)
    assert "not finite" in (tmp_path / "study/table.txt").read_text()


@pytest.mark.slow
def test_an_interrupt_ends_all_processes(tmp_path):
    # What a shell starts in the background ignores interrupts, and so would what we start from there.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{listen}; from dist2_robot.cli.study import main; main()"
    effort = f"study.screen={TINY_EFFORT.replace('steps: 20', 'steps: 100000')}"
    arguments = [*TINY, *TINY_PAIRS[:-2], TINY_PAIRS[-1], effort]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True
    )
    logs = tmp_path / "study/screen/point_around"
    deadline = time.monotonic() + 300
    while not any("frames to learn from" in log.read_text() for log in logs.glob("*/log.txt")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.decode().splitlines()[-1] == "dist2-study: interrupted"
    deadline = time.monotonic() + 10  # Python's own tracker of resources ends last
    while _is_alive(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _is_alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
