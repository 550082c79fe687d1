"""Every way to spoil a dataset is found, with file, episode and frame; a clean one is left alone."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dist2_robot.cli.validate import format_audit, validate
from dist2_robot.data.audit.audit import audit
from dist2_robot.data.audit.mend import mend
from dist2_robot.data.episode import Episode
from dist2_robot.data.writer import write_dataset
from dist2_robot.errors import InputError
from tests.data.recordings import (
    DATA_FILE,
    LENGTHS,
    NAMES,
    SPEC,
    STARTS,
    TASK,
    edit,
    reach_episodes,
    replace_column,
    write_reach,
)

INFO, STATS, TASKS, OURS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/dist2_robot.json"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
FRAME = STARTS[3] + 4  # episode 3, frame 4


def number(name, row, value):
    """Set a number, or one of a vector, of one row."""

    def change(root):
        def mutate(table):
            values = table[name].to_pylist()
            values[row] = [value, *values[row][1:]] if isinstance(values[row], list) else value
            return replace_column(table, name, values)

        edit(root, mutate)

    return change


def table(file, change):
    return lambda root: pq.write_table(change(pq.read_table(root / file)), root / file)


def columns(change):
    return lambda root: edit(root, change)


def text(file, change):
    def mutate(root):
        content = json.loads((root / file).read_text())
        change(content)
        (root / file).write_text(json.dumps(content))

    return mutate


def remove(file):
    return lambda root: (root / file).unlink()


def overwrite(file, content):
    return lambda root: (root / file).write_bytes(content)


def take(rows):
    return columns(lambda t: t.take(rows))


def cast(name, kind):
    def change(t):
        place = t.schema.get_field_index(name)
        return t.set_column(place, name, pa.array([np.asarray(x).tolist() for x in t[name].to_pylist()], kind))

    return columns(change)


def cut_vectors(t):
    return replace_whole(t, "observation.state", [x[:2] for x in t["observation.state"].to_pylist()])


def replace_whole(t, name, values):
    place = t.schema.get_field_index(name)
    return t.set_column(place, name, pa.array(values, pa.list_(pa.float32())))


def ragged(t):
    values = t["observation.state"].to_pylist()
    values[FRAME] = values[FRAME][:1]
    return replace_whole(t, "observation.state", values)


def swapped(i, j):
    order = list(range(sum(LENGTHS)))
    order[i], order[j] = order[j], order[i]
    return order


def without(rows):
    return [row for row in range(sum(LENGTHS)) if row not in rows]


def repeated_episode(t):
    """Let episode 7 be episode 0 again, which has as many frames."""
    for name in ("observation.state", "observation.environment_state", "action"):
        values = t[name].to_pylist()
        values[STARTS[7] : STARTS[7] + LENGTHS[7]] = values[: LENGTHS[0]]
        t = replace_column(t, name, values)
    return t


def hardly(t):
    values = [[*x[:2], 0.5 + 1e-6 * (i == FRAME)] for i, x in enumerate(t["observation.state"].to_pylist())]
    return replace_column(t, "observation.state", values)


def at_limit(t):
    return replace_column(t, "action", [[1.0 if i % 3 else x[0], x[1]] for i, x in enumerate(t["action"].to_pylist())])


def smooth(t):
    """Let positions move slowly, but for one frame."""
    state = [[0.001 * i, *x[1:]] for i, x in enumerate(t["observation.state"].to_pylist())]
    state[FRAME][0] = 1.0
    return replace_column(t, "observation.state", state)


def drop(name):
    return columns(lambda t: t.drop_columns([name]))


def episode_column(name, row, value):
    def change(t):
        values = t[name].to_pylist()
        values[row] = value
        place = t.schema.get_field_index(name)
        return t.set_column(place, t.schema.field(place), pa.array(values, t.schema.field(place).type))

    return table(EPISODES, change)


def without_text(t):
    return t.set_column(1, "task", pa.array([" "]))


# What is done to a clean dataset -> check, severity, and where it must be found: file, episode, frame.
DATA = str(DATA_FILE)
BROKEN = {
    "NaN action": (number("action", FRAME, np.nan), "not finite", "error", DATA, 3, 4),
    "infinite state": (number("observation.state", FRAME, np.inf), "not finite", "error", DATA, 3, 4),
    "action out of limits": (number("action", FRAME, 3.0), "limits", "error", DATA, 3, 4),
    "rows swapped": (take(swapped(FRAME, FRAME + 1)), "order", "error", DATA, 3, 5),
    "episodes swapped": (take([*range(STARTS[1], 96), *range(STARTS[1])]), "order", "error", DATA, 1, 0),
    "rows missing within": (take(without([FRAME])), "order", "error", DATA, 3, 5),
    "rows missing, counts": (take(without([FRAME])), "counts", "error", INFO, None, None),
    "episode without end": (take(without([95])), "episodes", "error", "meta/episodes", 7, None),
    "timestamp off": (number("timestamp", FRAME, 9.0), "timestamps", "error", DATA, 3, 4),
    "timestamp NaN": (number("timestamp", FRAME, np.nan), "timestamps", "error", DATA, 3, 4),
    "rate wrong": (text(INFO, lambda x: x.update(fps=50)), "timestamps", "error", DATA, 0, 1),
    "frame index wrong": (number("frame_index", FRAME, 7), "order", "error", DATA, 3, 7),
    "total frames": (text(INFO, lambda x: x.update(total_frames=7)), "counts", "error", INFO, None, None),
    "total episodes": (
        text(INFO, lambda x: x.update(total_episodes=7)), "counts", "error", INFO, None, None,
    ),
    "data file truncated": (overwrite(DATA, b"PAR1 nothing"), "unreadable", "error", DATA, None, None),
    "column missing": (drop("observation.state"), "columns", "error", DATA, None, None),
    "wrong type": (cast("action", pa.list_(pa.float64(), 2)), "types", "error", DATA, None, None),
    "vectors too short": (columns(cut_vectors), "shapes", "error", DATA, None, None),
    "one vector too short": (columns(ragged), "shapes", "error", DATA, None, None),
    "shape in info": (
        text(INFO, lambda x: x["features"]["action"].update(shape=[3])), "shapes", "error", DATA, None, None,
    ),
    "statistics missing": (remove(STATS), "statistics", "warning", STATS, None, None),
    "statistics no JSON": (overwrite(STATS, b"{"), "statistics", "warning", STATS, None, None),
    "statistics of another": (
        text(STATS, lambda x: x["action"].update(mean=[0.7, 3.0])), "statistics", "warning", STATS, None, None,
    ),
    "statistics lack a feature": (
        text(STATS, lambda x: x.pop("action")), "statistics", "warning", STATS, None, None,
    ),
    "table of episodes missing": (remove(EPISODES), "episodes", "error", "meta/episodes", None, None),
    "table of episodes broken": (overwrite(EPISODES, b"x"), "unreadable", "error", EPISODES, None, None),
    "length of an episode": (episode_column("length", 3, 5), "episodes", "error", "meta/episodes", 3, None),
    "span of an episode": (episode_column("dataset_from_index", 3, 5), "episodes", "error", "meta/episodes", 3, None),
    "tasks missing": (remove(TASKS), "tasks", "error", TASKS, None, None),
    "task number unknown": (number("task_index", FRAME, 9), "tasks", "error", DATA, 3, 4),
    "task without text": (table(TASKS, without_text), "tasks", "warning", TASKS, None, None),
    "action spec damaged": (
        text(OURS, lambda x: x["action_spec"].pop("rate_hz")), "action spec", "error", OURS, None, None,
    ),
    "episode twice": (columns(repeated_episode), "duplicates", "warning", DATA, 7, 0),
    "hardly moves": (columns(hardly), "near-constant", "warning", DATA, 3, 4),
    "at its limit": (columns(at_limit), "saturation", "warning", DATA, 0, 1),
    "jump": (columns(smooth), "jumps", "warning", DATA, 3, 4),
}  # fmt: skip


@pytest.fixture
def copy(reach, tmp_path):
    shutil.copytree(reach, tmp_path / "reach")
    return tmp_path / "reach"


def test_a_clean_dataset_gives_no_warning(reach, teleoperated):
    for root in (reach, teleoperated):
        found = audit(root)
        assert found.of("error") == found.of("warning") == []


@pytest.mark.fault("R9")
@pytest.mark.parametrize("name", BROKEN)
def test_it_is_found_where_it_is(copy, name):
    change, check, severity, file, episode, frame = BROKEN[name]
    change(copy)
    found = [finding for finding in audit(copy).findings if finding.check == check]
    assert (severity, file, episode, frame) in [(f.severity, f.file, f.episode, f.frame) for f in found], found


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """Two episodes of a camera that sees noise."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("recordings") / "filmed"
    episodes = []
    for index, episode in enumerate(reach_episodes()[:2]):
        images = rng.integers(0, 255, (len(episode), 64, 64, 3)).astype(np.uint8)
        features = {**episode.features, "observation.images.front": images}
        episodes.append(Episode(features, TASK, seed=index))
    write_dataset(root, episodes, SPEC, observation_names=NAMES, robot_type="reacher", recording={})
    return root


VIDEO = "videos/observation.images.front/chunk-000/file-000.mp4"


def half(root):
    (root / VIDEO).write_bytes((root / VIDEO).read_bytes()[:-20_000])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (remove(VIDEO), "is missing"),
        (overwrite(VIDEO, b"no video at all"), "cannot be decoded"),
        (half, "cannot be decoded"),
        (text(INFO, lambda x: x["features"]["observation.images.front"].update(shape=[32, 32, 3])), "pixels"),
    ],
)
def test_videos_are_decoded(filmed, tmp_path, change, says):
    assert audit(filmed).of("error") == []
    root = tmp_path / "filmed"
    shutil.copytree(filmed, root)
    change(root)
    (finding,) = audit(root).of("error")
    assert (finding.check, finding.file) == ("videos", VIDEO)
    assert says in finding.message
    assert finding.episode is not None


def test_several_faults_are_all_found(copy):
    for name in ("NaN action", "timestamp off", "statistics missing", "episode without end"):
        BROKEN[name][0](copy)
    checks = {finding.check for finding in audit(copy).findings if finding.severity != "note"}
    assert {"not finite", "timestamps", "statistics", "episodes"} <= checks


def test_what_is_sound_becomes_a_new_dataset(copy, tmp_path, capsys):
    for name in ("NaN action", "timestamp off", "statistics missing", "episode twice"):
        BROKEN[name][0](copy)
    new = tmp_path / "sound"
    assert validate({"dataset": {"root": str(copy)}, "bins": 16, "fix": str(new), "output": None}) == 1
    said = capsys.readouterr().out
    assert "left out episode 3: not finite" in said
    assert "left out episode 7: duplicates" in said
    assert f"6 sound episodes: {new}" in said
    found = audit(new)
    assert found.of("error") == found.of("warning") == []
    old, kept = audit(copy).contents, [0, 1, 2, 4, 5, 6]
    rows = np.isin(old.columns["episode_index"], kept)
    for name in old.vectors:
        assert np.array_equal(found.contents.columns[name], old.columns[name][rows])
    assert found.contents.folder.recording["episode_seeds"] == [100 + number for number in kept]
    assert found.contents.spec == old.spec


def test_pictures_are_mended_too(filmed, tmp_path):
    root = tmp_path / "filmed"
    shutil.copytree(filmed, root)
    number("action", 0, np.nan)(root)
    assert mend(audit(root), tmp_path / "sound").episodes.keys() == {0}
    assert audit(tmp_path / "sound").of("error") == []


def test_statistics_that_nothing_of_ours_uses_are_no_error(copy):
    BROKEN["statistics of another"][0](copy)
    found = audit(copy)
    assert found.of("error") == []
    assert {finding.check for finding in found.of("warning")} == {"statistics"}


def test_a_number_of_two_values_has_nothing_but_jumps(copy):
    """A gripper that is not called one: open for most of the time, shut for a frame."""

    def change(t):
        state = [[0.001 * i, float(i in (FRAME, FRAME + 1)), 0.5] for i in range(len(t))]
        return replace_column(t, "observation.state", state)

    columns(change)(copy)
    assert [finding.message for finding in audit(copy).findings if finding.check == "jumps"] == []


def test_what_is_not_about_single_episodes_cannot_be_mended(copy, tmp_path):
    BROKEN["one vector too short"][0](copy)
    with pytest.raises(InputError, match="cannot be mended"):
        mend(audit(copy), tmp_path / "sound")
    assert not (tmp_path / "sound").exists()


def test_what_is_no_dataset_is_refused(tmp_path, copy):
    with pytest.raises(InputError, match="does not exist"):
        audit(tmp_path / "nothing")
    (copy / INFO).write_text("{")
    with pytest.raises(InputError, match=r"info\.json"):
        audit(copy)


def test_the_command_tells_writes_and_fails(copy, tmp_path, capsys):
    config = {"dataset": {"root": str(copy)}, "bins": 16, "fix": None, "output": str(tmp_path / "out")}
    assert validate(config) == 0
    assert "0 errors, 0 warnings" in capsys.readouterr().out
    BROKEN["NaN action"][0](copy)
    assert validate(config) == 1
    assert f"error:   not finite: {DATA}, episode 3, frame 4: 'action', x, is nan" in capsys.readouterr().out
    findings = json.loads((tmp_path / "out/validation.json").read_text())["findings"]
    assert (findings[0]["episode"], findings[0]["frame"]) == (3, 4)
    page = (tmp_path / "out/validation.html").read_text()
    assert "episode 3, frame 4" in page
    assert "<svg" in page
    assert format_audit(audit(copy)).splitlines()[0].endswith("8 episodes, 96 frames")


def test_other_recordings_are_read_too(tmp_path):
    assert audit(write_reach(tmp_path / "other", seed=3)).of("error") == []
    assert len(SPEC) == 2
