"""Progress bars with remaining time, quiet where nobody watches."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 15.0  # in a log file, where every update is a line of its own


def progress_bar(iterable: Iterable[Any] | None = None, **options: Any) -> tqdm:
    """Return a tqdm bar; where standard error is no terminal, it prints a line every 15 s."""
    interval = 0.1 if sys.stderr.isatty() else SECONDS_BETWEEN_LINES
    return tqdm(iterable, mininterval=interval, maxinterval=interval, dynamic_ncols=True, **options)
