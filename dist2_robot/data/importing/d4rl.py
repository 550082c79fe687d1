"""D4RL: flat arrays ``observations``, ``actions``, and where episodes end: ``terminals``, ``timeouts``."""

from pathlib import Path

import numpy as np

from dist2_robot.data.importing.hdf5 import arrays, check, column, open_hdf5, read
from dist2_robot.data.importing.layout import by_name
from dist2_robot.data.importing.source import Source, SourceEpisode
from dist2_robot.errors import InputError

ENDS = ("terminals", "timeouts")


def open_d4rl(path: Path) -> Source:
    """Open a file. Raises InputError where it does not tell where episodes end."""
    file = open_hdf5(path)
    stored = arrays(file, path)
    present = [name for name in ENDS if name in stored and stored[name].shape]
    if not present or "actions" not in stored:
        raise InputError(f"'{path}' has no 'actions' with 'terminals' or 'timeouts': it is no D4RL file")
    length = int(stored["actions"].shape[0]) if stored["actions"].shape else 0
    is_end = np.zeros(length, bool)
    for name in present:
        check(stored[name], path)
        marks = read(stored[name], slice(None), path).reshape(-1).astype(bool)
        if len(marks) != length:
            raise InputError(f"'{path}': '{name}' has {len(marks)} entries, 'actions' {length}: restore it")
        is_end |= marks
    ends = (np.flatnonzero(is_end) + 1).tolist()
    cut = [] if ends and ends[-1] == length else [length] * (length > 0)
    spans = list(zip([0, *ends, *cut][:-1], [*ends, *cut], strict=True))
    frames = {key: x for key, x in stored.items() if x.shape and x.shape[0] == length and key not in ENDS}

    def episode(start: int, end: int) -> SourceEpisode:
        columns = {key: column(x, path, start, end) for key, x in frames.items()}
        return SourceEpisode({key: x for key, x in columns.items() if x is not None})

    episodes = {f"frames {a} to {b - 1}": (lambda a=a, b=b: episode(a, b)) for a, b in spans}
    assumed = f"episodes end where {' or '.join(present)} say so"
    if cut:
        assumed += "; the last, which nothing ends, is taken as it is"
    return Source("d4rl", episodes, by_name, assumed=(assumed,))
