"""TensorBoard shows what the records hold, and training does not notice when it is away."""

import pytest

from dist2_robot.errors import InputError
from dist2_robot.tracking import tensorboard
from dist2_robot.tracking.tensorboard import TensorboardTracker


@pytest.fixture(autouse=True)
def _needs_tensorboard():
    pytest.importorskip("tensorboard")


def write(folder, steps, resume_step=0):
    tracker = TensorboardTracker(folder, resume_step)
    for step in steps:
        numbers = {"loss": step / 4, "action_error": {"x": 0.5}}
        tracker.log({"kind": "validation", "step": step, **numbers, "units": {"x": "cm"}})
    tracker.close()


def shown(folder):
    """Return name -> [(step, value)], as TensorBoard reads the event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_the_numbers_of_a_record_are_shown_by_kind(tmp_path):
    write(tmp_path / "new", [1, 2, 3])
    assert shown(tmp_path / "new") == {
        "validation/loss": [(1, 0.25), (2, 0.5), (3, 0.75)],
        "validation/action_error/x": [(1, 0.5), (2, 0.5), (3, 0.5)],
    }


@pytest.mark.fault("R4")
def test_what_a_killed_run_wrote_after_its_checkpoint_is_shown_no_more(tmp_path):
    write(tmp_path, [1, 2, 3])
    write(tmp_path, [3, 4], resume_step=2)
    assert shown(tmp_path)["validation/loss"] == [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)]


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^tracker=tensorboard needs .*dist2-robot\[tensorboard\][^\n]*$"):
        TensorboardTracker(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("R11")
@pytest.mark.parametrize("breaks_at", ["__init__", "add_scalar", "close"])
def test_what_it_raises_is_warned_of_once(tmp_path, monkeypatch, caplog, breaks_at):
    from torch.utils.tensorboard import SummaryWriter

    def breaks(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(SummaryWriter, breaks_at, breaks)
    write(tmp_path, [1, 2])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "disk full" in caplog.text
