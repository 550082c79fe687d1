"""The log of a run: replayed to the bit, and never in the way of the loop. Rows D14 and D15."""

import gc
import json
import os
import threading
import time
import weakref
from pathlib import Path

import pytest

from dist2_robot.deploy.loop.log_writer import LogWriter
from dist2_robot.deploy.loop.machine import State
from dist2_robot.deploy.loop.run_log import LOG_FILE, read_log, replay
from dist2_robot.errors import InputError
from dist2_robot.types import STATE, ObservationSpec
from tests.deploy.fakes import FRONT, FakeClock, FakeRobot
from tests.deploy.rigs import Rig, logged


def eventful(folder: Path) -> Path:
    """Log a run in which much happens, and return its folder."""
    rig = Rig(latency_s=0.07, max_prefix=4, start="ramp", robot=None, stop_when_unsure=9.0)
    log = logged(folder / LOG_FILE, rig)
    rig.moving(1.0)
    rig.policy.unsure = 10.0
    rig.run(0.7)
    rig.policy.unsure = None
    rig.latency_s = 0.9
    rig.run(1.5)
    rig.loop.stop("SIGINT")
    rig.run(0.5)
    rig.loop.command("rearm")
    rig.arm()
    rig.run(0.5)
    rig.robot.is_stale = True
    rig.run(0.5)
    log.close()
    assert not log.dropped
    return folder


@pytest.mark.fault("D14")
def test_a_replay_repeats_the_log_to_the_bit(tmp_path: Path) -> None:
    folder = eventful(tmp_path)
    result = replay(folder)
    assert result.difference == ""
    assert result.ticks == sum("tick" in line for line in read_log(folder)) > 100


@pytest.mark.fault("D14")
def test_a_replay_notices_one_changed_bit(tmp_path: Path) -> None:
    folder = eventful(tmp_path)
    lines = [json.loads(text) for text in (folder / LOG_FILE).read_text().splitlines()]
    lines[20]["in"]["reading"]["positions"][0] += 1e-12
    moved = next(i for i, line in enumerate(lines) if i > 20 and line["out"]["target"])
    lines[moved]["out"]["target"][0] += 1e-12
    (folder / LOG_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert f"tick {lines[moved]['tick']} differs in target" in replay(folder).difference


@pytest.mark.fault("D14")
def test_a_log_that_lacks_ticks_is_not_replayed(tmp_path: Path) -> None:
    folder = eventful(tmp_path)
    lines = (folder / LOG_FILE).read_text().splitlines(keepends=True)
    (folder / LOG_FILE).write_text("".join(lines[:10] + lines[11:]))
    with pytest.raises(InputError, match="lacks tick 9"):
        replay(folder)


@pytest.mark.parametrize("content", ["", "{}\n", "not json\n", '{"format_version": 99}\n'])
def test_what_is_no_log_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / LOG_FILE).write_text(content)
    with pytest.raises(InputError) as caught:
        replay(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.fault("D15")
def test_a_full_disk_does_not_touch_the_loop_and_is_counted(tmp_path: Path) -> None:
    rig = Rig()
    log = logged(tmp_path / LOG_FILE, rig)

    class Full:
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            pass

        def close(self) -> None:
            pass

    log._file = Full()  # type: ignore[assignment]
    rig.moving(2.0)
    log.close()
    assert rig.state is State.RUNNING
    assert log.dropped == len(rig.ticks)
    assert "No space left" in log.error


@pytest.mark.fault("D15")
def test_a_slow_disk_drops_lines_and_never_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dist2_robot.deploy.loop.log_writer.CAPACITY", 10)
    monkeypatch.setattr("dist2_robot.deploy.loop.log_writer.CLOSE_S", 0.05)
    rig = Rig()
    log = logged(tmp_path / LOG_FILE, rig)
    write = log._file.write

    def slow(text: str) -> int:
        time.sleep(0.2)
        return write(text)

    log._file.write = slow  # type: ignore[method-assign]
    twin = Rig().moving(1.0)
    rig.moving(1.0)
    assert (rig.sent() == twin.sent()).all()
    assert log.dropped >= len(rig.ticks) - 10 - 20
    begin_s = time.monotonic()
    log.close()
    assert time.monotonic() - begin_s < 2
    assert log.error


@pytest.mark.fault("D15")
def test_no_picture_waits_for_the_disk(tmp_path: Path) -> None:
    clock = FakeClock()
    rig = Rig(robot=FakeRobot(clock, picture_size=(4, 6)), observation=ObservationSpec({STATE: 3}, {FRONT: (4, 6)}))
    log = logged(tmp_path / LOG_FILE, rig)
    may_write, write = threading.Event(), log._file.write
    log._file.write = lambda text: may_write.wait(60) and write(text)  # type: ignore[method-assign]
    pictures = []
    for _ in range(3):
        rig.moving(0.2)
        assert rig.policy.asked
        pictures += [weakref.ref(tick.seen.reading.features[FRONT]) for tick in rig.ticks if tick.seen.reading]
        rig.ticks.clear()
        rig.policy.asked.clear()
        rig.link.requests.clear()
    gc.collect()
    still = sum(picture() is not None for picture in pictures)
    may_write.set()
    log.close()
    assert len(pictures) > 10
    assert still <= 3  # what the loop itself remembers
    assert not log.dropped


@pytest.mark.fault("D15")
def test_a_line_that_cannot_be_made_costs_no_other_and_is_told_as_what_it_is(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / LOG_FILE, {})
    for line in ({"tick": 0}, {"tick": {1, 2}}, {"tick": "\ud800"}, {"tick": 3}):
        log.put(lambda line=line: line)

    def broken() -> dict:
        raise ZeroDivisionError("of a test")

    log.put(broken)
    log.put(lambda: {"tick": 5})
    log.close()
    assert [line.get("tick") for line in read_log(tmp_path)] == [None, 0, "?", 3, 5]
    assert log.dropped == 2
    assert log.error.startswith("TypeError: ")
    assert "slow" not in log.error


@pytest.mark.fault("D15")
@pytest.mark.parametrize("what", ["link", "pipe"])
def test_what_lies_in_the_place_of_a_log_is_neither_followed_nor_waited_for(tmp_path: Path, what: str) -> None:
    victim, path = tmp_path / "victim", tmp_path / LOG_FILE
    victim.write_text("theirs")
    path.symlink_to(victim) if what == "link" else os.mkfifo(path)
    LogWriter(path, {"ours": 1}).close()
    assert victim.read_text() == "theirs"
    assert path.is_file()
    assert not path.is_symlink()


def test_a_log_that_cannot_be_begun_is_known_before_anything_moves(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        LogWriter(tmp_path / "file" / LOG_FILE, {})


def test_fake_robots_are_described_in_full(tmp_path: Path) -> None:
    rig = Rig()
    robot: FakeRobot = rig.robot
    log = logged(tmp_path / LOG_FILE, rig)
    log.close()
    first = next(iter(read_log(tmp_path)))
    assert first["robot"]["name"] == robot.description.name
    assert first["robot"]["stop"] == "hold"
    assert first["card"]["horizon"] == 16
