"""TensorBoard beside the JSONL record, and never in the way of training."""

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dist2_robot.errors import InputError
from dist2_robot.tracking.flat import flat_numbers

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 10


def check_installed() -> None:
    """Raise InputError where the package is missing."""
    if find_spec("tensorboard") is None:
        raise InputError("tracker=tensorboard needs a package: pip install 'dist2-robot[tensorboard]', or leave it out")


class TensorboardTracker:
    """Writes event files, with nested records as ``kind/name``. What it raises is warned of once.

    Args:
        folder: Of the event files; ``tensorboard --logdir`` is given it, or any folder above it.
        resume_step: What was written after this step, by a run that was killed, is shown no more.

    Raises:
        InputError: The package is not installed.
    """

    def __init__(self, folder: Path, resume_step: int = 0) -> None:
        check_installed()
        from torch.utils.tensorboard import SummaryWriter

        self._writer: SummaryWriter | None = None
        try:
            self._writer = SummaryWriter(str(folder), purge_step=resume_step + 1, flush_secs=FLUSH_SECONDS)
        except Exception as error:  # a full disk, or a version that does not go with torch's
            self._give_up(error)

    def log(self, record: Mapping[str, Any]) -> None:
        if self._writer is None:
            return
        try:
            for name, number in flat_numbers(record["kind"], record):
                self._writer.add_scalar(name, number, record["step"])
        except Exception as error:
            self._give_up(error)

    def close(self) -> None:
        if self._writer is None:
            return
        try:
            self._writer.close()
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        logger.warning("tensorboard is off from here on (%s); the record is in metrics.jsonl", error)
        self._writer = None
