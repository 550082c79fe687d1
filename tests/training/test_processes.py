"""Two processes train as one does: each takes half of every batch."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest

from dist2_robot.checkpoints.store import MODEL_FILE, find_checkpoint
from tests.cli.small import SMALL
from tests.data.recordings import reach

__all__ = ["reach"]

OPTIONS = (
    *SMALL,
    "trainer.batch_size=16",
    "trainer.steps=12",
    "trainer.log_every=1",
    "trainer.validate_every=6",
    "trainer.save_every=6",
)
LAUNCH = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def train(root, output, *more, processes=1):
    """Train in processes of their own."""
    launch = LAUNCH if processes == 2 else ()
    arguments = ["-m", "dist2_robot.cli.train", f"dataset.root={root}", f"output={output}", *OPTIONS, *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *launch, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


def metrics(run, kind):
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in record.items() if k != "samples_per_s"} for record in records if record["kind"] == kind]


def weights(run):
    return hashlib.sha256((find_checkpoint(run) / MODEL_FILE).read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def together(reach, tmp_path_factory):
    """The run of two processes, and what they said."""
    run = tmp_path_factory.mktemp("processes") / "run"
    outcome = train(reach, run, processes=2)
    assert outcome.returncode == 0, outcome.stderr
    return run, outcome


@pytest.mark.slow
def test_two_processes_learn_what_one_does(reach, together, tmp_path):
    run, outcome = together
    alone = train(reach, tmp_path / "run")
    assert alone.returncode == 0, alone.stderr
    for kind in ("train", "validation"):
        ours, theirs = metrics(run, kind), metrics(tmp_path / "run", kind)
        assert len(ours) == len(theirs) == {"train": 12, "validation": 2}[kind]
        for two, one in zip(ours, theirs, strict=True):
            assert flat(two) == pytest.approx(flat(one), rel=1e-5, abs=1e-6)
    assert "gradient_norm" in metrics(run, "train")[0]

    # One of them speaks and writes.
    assert outcome.stdout.count("parameters, 12 steps") == alone.stdout.count("parameters, 12 steps") == 1
    assert outcome.stdout.count("checkpoint: ") == 1
    kept = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert kept == ["step_0000006", "step_0000012"]


@pytest.mark.slow
def test_weights_that_are_shared_out_learn_the_same_and_go_on_to_the_bit(reach, together, tmp_path):
    run = tmp_path / "shared"
    outcome = train(reach, run, "trainer.shard=true", "trainer.accumulate=2", processes=2)
    assert outcome.returncode == 0, outcome.stderr
    for kind in ("train", "validation"):
        for two, one in zip(metrics(run, kind), metrics(together[0], kind), strict=True):
            assert flat(two) == pytest.approx(flat(one), rel=1e-4, abs=1e-5)
    half = cut_off(run, tmp_path / "half")
    again = train(reach, half, "trainer.shard=true", "trainer.accumulate=2", "resume=true", processes=2)
    assert again.returncode == 0, again.stderr
    assert weights(half) == weights(run)


def cut_off(run, place):
    """Copy a run as it was half way, its last checkpoint and its records after the first one gone or to be undone."""
    shutil.copytree(run, place)
    shutil.rmtree(place / "checkpoints" / "step_0000012")
    (place / "summary.json").unlink()
    return place


@pytest.mark.slow
@pytest.mark.fault("R4")
def test_two_processes_go_on_to_the_bit(reach, together, tmp_path):
    half = cut_off(together[0], tmp_path / "run")
    outcome = train(reach, half, "resume=true", processes=2)
    assert outcome.returncode == 0, outcome.stderr
    assert weights(half) == weights(together[0])
    for kind in ("train", "validation"):
        assert metrics(half, kind) == metrics(together[0], kind)


@pytest.mark.slow
@pytest.mark.fault("R5")
def test_another_number_of_processes_goes_on_only_where_that_is_asked_for(reach, together, tmp_path):
    half = cut_off(together[0], tmp_path / "run")
    refused = train(reach, half, "resume=true")
    assert refused.returncode == 2
    assert "processes was 2 and is now 1" in refused.stderr
    assert "resume_changed=true" in refused.stderr
    assert not (half / "checkpoints" / "step_0000012").exists()
    outcome = train(reach, half, "resume=true", "resume_changed=true")
    assert outcome.returncode == 0, outcome.stderr
    assert "from step 6 on processes is 1, it was 2" in outcome.stdout
    for one, two in zip(metrics(half, "train"), metrics(together[0], "train"), strict=True):
        assert flat(one) == pytest.approx(flat(two), rel=1e-5, abs=1e-6)


@pytest.mark.slow
def test_a_batch_that_cannot_be_cut_is_refused(reach, tmp_path):
    outcome = train(reach, tmp_path / "run", "trainer.batch_size=15", processes=2)
    assert outcome.returncode != 0
    assert "trainer.batch_size" in outcome.stderr
    assert "a batch of 15 cannot be cut into 2 equal parts" in outcome.stderr
    assert not (tmp_path / "run").exists()


def flat(record):
    """Return the numbers of a record by name."""
    plain = {}
    for name, value in record.items():
        if isinstance(value, dict):
            plain |= {f"{name}.{k}": v for k, v in value.items() if not isinstance(v, str)}
        elif isinstance(value, list):
            plain |= {f"{name}.{i}": v for i, v in enumerate(value)}
        elif not isinstance(value, str):
            plain[name] = value
    return plain
