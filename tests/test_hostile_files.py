"""Files that anyone may have made, read by everything of ours: nothing in them is run, or leads outside."""

import io
import json
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from dist2_robot.checkpoints.store import load_policy, read_tensors
from dist2_robot.cli.environments import choose_environment
from dist2_robot.cli.run_folder import prepare
from dist2_robot.data.audit.audit import audit
from dist2_robot.data.decode import decoded
from dist2_robot.data.folder import DIST2_FILE, INFO_FILE, open_folder
from dist2_robot.data.recorded_spec import recorded_spec
from dist2_robot.data.table import read_table
from dist2_robot.distances.distance_file import read_distances
from dist2_robot.errors import InputError
from dist2_robot.evaluation.run_files import load_run
from dist2_robot.studies.results import read_results
from tests.checkpoints.saved import save
from tests.data.recordings import DATA_FILE, reach

__all__ = ["reach"]
REFUSALS = (InputError, ValueError)  # DistanceError is a ValueError


class Payload:
    """Makes a file where it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def as_torch(payload):
    buffer = io.BytesIO()
    torch.save({"weights": payload}, buffer)
    return buffer.getvalue()


def as_array(payload):
    buffer = io.BytesIO()
    np.save(buffer, np.array([[payload, payload], [payload, payload]], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def as_archive(payload):
    buffer = io.BytesIO()
    np.savez(buffer, distances=np.array([payload], dtype=object))
    return buffer.getvalue()


def as_parquet(payload):
    """Give the column a type of Arrow's whose description is a pickle, as pyarrow once read it."""
    hidden = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": pickle.dumps(payload)}
    buffer = io.BytesIO()
    pq.write_table(pa.table({"action": [1.0]}, pa.schema([pa.field("action", pa.float64(), metadata=hidden)])), buffer)
    return buffer.getvalue()


FORMS = {"pickle": pickle.dumps, "torch": as_torch, "npy": as_array, "npz": as_archive, "parquet": as_parquet}


@pytest.fixture
def places(reach, tmp_path):
    """A dataset, a run with a checkpoint, a study and files of distances, to be spoilt."""
    shutil.copytree(reach, tmp_path / "data")
    folder = save(tmp_path / "run", 1)
    (tmp_path / "run" / "eval").mkdir()
    for name in ("config.json", "summary.json", "examples.json", "metrics.jsonl", "eval/results.json"):
        (tmp_path / "run" / name).write_text("[]" if name == "examples.json" else "")
    for name in ("config.json", "summary.json", "eval/results.json"):
        (tmp_path / "run" / name).write_text("{}")
    for ending in ("npy", "csv", "json"):
        (tmp_path / f"distances.{ending}").write_text("")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "results.json").write_text("{}")
    return tmp_path, folder


def readers(root, folder):
    """Return whatever of ours reads a file that others may have made."""
    data, run = root / "data", root / "run"
    return [
        lambda: load_policy(folder),
        lambda: load_policy(run),
        lambda: read_tensors(folder, load_policy(folder)[1], "extra.safetensors"),
        lambda: prepare(run, {}, resume=True, overwrite=False),
        lambda: recorded_spec(open_folder(data), read_table(open_folder(data)).features["action"]),
        lambda: audit(data),
        lambda: load_run(run),
        lambda: read_results(root / "study"),
        *(lambda ending=ending: read_distances(root / f"distances.{ending}") for ending in ("npy", "csv", "json")),
    ]


def read_all(root, folder):
    """Call every reader; return how many refused."""
    refusals = 0
    for read in readers(root, folder):
        try:
            read()
        except REFUSALS:
            refusals += 1
    return refusals


def test_the_payload_would_do_it(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / "hacked")))
    assert (tmp_path / "hacked").exists()
    (tmp_path / "hacked").unlink()
    torch.load(io.BytesIO(as_torch(Payload(tmp_path / "hacked"))), weights_only=False)
    assert (tmp_path / "hacked").exists()


@pytest.mark.fault("S1")
@pytest.mark.parametrize("form", FORMS)
def test_a_pickle_in_place_of_any_file_is_never_run(places, form):
    root, folder = places
    content, before = FORMS[form](Payload(root / "hacked")), read_all(root, folder)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    assert {path.suffix for path in files} >= {".safetensors", ".json", ".jsonl", ".parquet", ".npy", ".csv"}
    for path in files:
        path.write_bytes(content)
    assert read_all(root, folder) > before
    assert not (root / "hacked").exists()


@pytest.mark.fault("S1")
def test_each_file_with_a_pickle_in_it_is_refused_by_name(places):
    root, folder = places
    content = pickle.dumps(Payload(root / "hacked"))
    for path, read in {
        folder / "model.safetensors": lambda: load_policy(folder),
        folder / "extra.safetensors": lambda: read_tensors(folder, load_policy(folder)[1], "extra.safetensors"),
        folder / "manifest.json": lambda: load_policy(folder),
        root / "data" / INFO_FILE: lambda: open_folder(root / "data"),
        root / "data" / DIST2_FILE: lambda: open_folder(root / "data"),
        root / "data" / DATA_FILE: lambda: read_table(open_folder(root / "data")),
        root / "run" / "config.json": lambda: prepare(root / "run", {}, resume=True, overwrite=False),
        root / "distances.npy": lambda: read_distances(root / "distances.npy"),
    }.items():
        sound = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(REFUSALS) as caught:
            read()
        assert str(path) in str(caught.value)
        path.write_bytes(sound)
    assert not (root / "hacked").exists()


@pytest.mark.fault("S3")
def test_a_processor_that_names_a_class_is_not_imported(places, monkeypatch):
    root, folder = places
    (root / "code").mkdir()
    (root / "code" / "trap_of_tests.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('hacked').touch()"
    )
    monkeypatch.syspath_prepend(root / "code")
    step = {"class": "trap_of_tests.Step", "registry_name": "trap_of_tests", "config": {"_target_": "trap_of_tests.f"}}
    content = json.dumps({"name": "policy_preprocessor", "steps": [step], "class": "trap_of_tests.Pipeline"})
    before = read_all(root, folder)
    for place in (folder, root / "run", root / "data", root / "data" / "meta", root / "study"):
        for name in ("policy_preprocessor", "policy_postprocessor", "processor", "train_config", "adapter_config"):
            (place / f"{name}.json").write_text(content)
    info = json.loads((root / "data" / INFO_FILE).read_text()) | {
        "class": "trap_of_tests.X",
        "_target_": "trap_of_tests",
    }
    info["features"]["action"]["class"] = "trap_of_tests.Action"
    (root / "data" / INFO_FILE).write_text(json.dumps(info))
    assert read_all(root, folder) == before
    assert "trap_of_tests" not in sys.modules
    assert not (root / "code" / "hacked").exists()
    # In place of our own files it is refused.
    (folder / "manifest.json").write_text(content)
    (root / "data" / INFO_FILE).write_text(content)
    for read in (lambda: load_policy(folder), lambda: open_folder(root / "data")):
        with pytest.raises(InputError):
            read()
    assert "trap_of_tests" not in sys.modules


@pytest.mark.fault("S8")
def test_names_of_variables_in_a_file_stay_as_they_are(places, monkeypatch):
    root, _ = places
    monkeypatch.setenv("SECRET", "hush")
    text = "${oc.env:SECRET} ${now:%Y} $SECRET ~"
    (root / "run" / "config.json").write_text(json.dumps({"name": text, "loss": {"name": text}}))
    assert load_run(root / "run").name == text
    with pytest.raises(InputError) as caught:
        prepare(root / "run", {"loss": {"name": "dist2"}}, resume=True, overwrite=False)
    assert "oc.env:SECRET" in str(caught.value)
    assert "hush" not in str(caught.value)
    environment = choose_environment({"id": "recorded"}, {"id": "gym_dist2/X-v0", "kwargs": {"task": text}})
    assert environment is not None
    assert environment.kwargs == {"task": text}


@pytest.mark.fault("S8")
def test_what_a_dataset_says_of_places_leads_nowhere(places):
    root, _ = places
    data = root / "data"
    sound, info = read_table(open_folder(data)), json.loads((data / INFO_FILE).read_text())
    outside = "../../../{chunk_index}/etc/passwd"
    (data / INFO_FILE).write_text(json.dumps(info | {"data_path": outside, "video_path": outside}))
    assert read_table(open_folder(data)).fingerprint == sound.fingerprint
    assert not audit(data).of("error")
    for name in ("../../secret", "/etc", "..\\secret", "a\0b"):
        camera = {"dtype": "video", "shape": [4, 4, 3], "names": None}
        (data / INFO_FILE).write_text(json.dumps(info | {"features": info["features"] | {name: camera}}))
        with pytest.raises(InputError, match=r"info\.json' has no valid"):
            open_folder(data)


@pytest.mark.fault("S8")
def test_the_number_of_a_video_is_a_number(places):
    root, _ = places
    data, camera = root / "data", "observation.images.top"
    info = json.loads((data / INFO_FILE).read_text())
    info["features"][camera] = {"dtype": "video", "shape": [4, 4, 3], "names": None}
    (data / INFO_FILE).write_text(json.dumps(info))
    path = next((data / "meta/episodes").rglob("*.parquet"))
    table = pq.read_table(path)
    for key in ("chunk_index", "file_index"):
        table = table.append_column(f"videos/{camera}/{key}", pa.array(["../../../secret"] * len(table)))
    for key in ("from_timestamp", "to_timestamp"):
        table = table.append_column(f"videos/{camera}/{key}", pa.array([0.0] * len(table)))
    pq.write_table(table, path)
    with pytest.raises(InputError, match="does not tell where"):
        next(decoded(open_folder(data), camera))
    findings = audit(data).of("error")
    assert [finding.check for finding in findings] == ["videos"]
    assert "secret" not in findings[0].message + str(findings[0].place)


@pytest.mark.fault("S4")
@pytest.mark.parametrize("shape", [[], "ab", {"0": 1}, [-1], [2.5], [True], [None], 5, [0]])
def test_a_feature_of_no_valid_shape_is_refused(places, shape):
    data = places[0] / "data"
    info = json.loads((data / INFO_FILE).read_text())
    info["features"]["action"]["shape"] = shape
    (data / INFO_FILE).write_text(json.dumps(info))
    with pytest.raises(InputError, match=r"info\.json' has no valid 'action'"):
        open_folder(data)


@pytest.mark.fault("S4")
@pytest.mark.parametrize("name", [INFO_FILE, DIST2_FILE])
@pytest.mark.parametrize("content", ["[" * 10**6, '{"a":' * 10**5, '{"fps": ' + "1" * 5000 + "}"])
def test_json_of_a_dataset_that_is_too_deep_or_too_long_is_refused(places, name, content):
    data = places[0] / "data"
    (data / name).write_text(content)
    with pytest.raises(InputError, match="is not valid JSON"):
        open_folder(data)
