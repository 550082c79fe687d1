"""Do rows, episodes, times and tasks fit together?"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dist2_robot.data.audit.contents import EPISODE_COLUMNS, EPISODE_NUMBERS, TASKS_FILE, Contents
from dist2_robot.data.audit.finding import Finding

INFO = "meta/info.json"
EPISODES = "meta/episodes"


def check_counts(contents: Contents) -> Iterator[Finding]:
    """As many frames and episodes as info.json tells."""
    told = contents.folder.info["total_frames"]
    if len(contents) != told:
        yield Finding("error", "counts", f"tells {told} frames, the data files hold {len(contents)}", INFO)
    episodes = contents.columns.get("episode_index")
    if episodes is not None and (found := len(np.unique(episodes))) != contents.folder.info["total_episodes"]:
        yield Finding(
            "error", "counts", f"tells {contents.folder.info['total_episodes']} episodes, the data hold {found}", INFO
        )


def check_order(contents: Contents) -> Iterator[Finding]:
    """Every row is the frame after the row before it, or the first of the next episode."""
    if not {"episode_index", "frame_index", "index"} <= contents.columns.keys() or not len(contents):
        return
    episode, frame, index = (contents.columns[name] for name in ("episode_index", "frame_index", "index"))
    new = np.append(True, np.diff(episode) != 0)
    wrong = np.where(new, frame != 0, np.append(0, np.diff(frame)) != 1)
    wrong |= np.append(episode[0] != 0, new[1:] & (np.diff(episode) != 1))
    wrong |= np.append(index[0] != 0, np.diff(index) != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        text = f"row with index {index[row]} does not follow the one before: rows are missing or out of order"
        yield Finding("error", "order", text, **contents.places(wrong))


def check_times(contents: Contents) -> Iterator[Finding]:
    """Every timestamp is the frame's number over the rate."""
    if not {"timestamp", "frame_index"} <= contents.columns.keys():
        return
    rate_hz, times = contents.folder.rate_hz, contents.columns["timestamp"].astype(np.float64)
    wrong = ~(np.abs(times - contents.columns["frame_index"] / rate_hz) < 0.5 / rate_hz)  # NaN is wrong, too
    if wrong.any():
        row = int(np.argmax(wrong))
        text = f"timestamp {times[row]:g} s does not fit {rate_hz:g} frames a second"
        yield Finding("error", "timestamps", text, **contents.places(wrong))


def check_episodes(contents: Contents) -> Iterator[Finding]:
    """The table of episodes tells where each begins and ends, and there is no row outside."""
    table, rows = contents.episodes, contents.columns.get("episode_index")
    if table is None or rows is None:
        return
    if missing := [name for name in EPISODE_COLUMNS if name not in table]:
        yield Finding("error", "episodes", f"the table of episodes has no column {missing}", EPISODES)
        return
    counted = dict(zip(*(x.tolist() for x in np.unique(rows, return_counts=True)), strict=True))
    begins = 0
    for number, length, first, end in zip(*(table[name] for name in EPISODE_NUMBERS), strict=True):
        found = counted.pop(number, 0)
        if found != length:
            text = f"is told to have {length} frames, the data hold {found}: it has no end, or another's rows"
            yield Finding("error", "episodes", text, EPISODES, episode=number, episodes=(number,))
        elif (first, end) != (begins, begins + length):
            text = f"is told to span frames {first} to {end}, it spans {begins} to {begins + length}"
            yield Finding("error", "episodes", text, EPISODES, episode=number)
        elif length < 2:
            yield Finding("warning", "episodes", f"has {length} frame", EPISODES, episode=number)
        begins += found
    for number, found in counted.items():
        yield Finding("error", "episodes", f"its {found} frames are in no table of episodes", EPISODES, episode=number)


def check_tasks(contents: Contents) -> Iterator[Finding]:
    """Every frame has a task, and the task a text."""
    tasks, numbers = contents.tasks, contents.columns.get("task_index")
    if tasks is None or numbers is None:
        return
    unknown = ~np.isin(numbers, list(tasks))
    if unknown.any():
        row = int(np.argmax(unknown))
        text = f"task number {numbers[row]} is not in {TASKS_FILE}"
        yield Finding("error", "tasks", text, **contents.places(unknown))
    for number, text in tasks.items():
        if not str(text or "").strip():
            yield Finding("warning", "tasks", f"task {number} has no text", TASKS_FILE)
        elif not (numbers == number).any():
            yield Finding("note", "tasks", f"task {number}, '{text}', is never done", TASKS_FILE)


def check_duplicates(contents: Contents) -> Iterator[Finding]:
    """No two episodes are the same: in training and held out at once, one would tell of the other."""
    rows, vectors = contents.columns.get("episode_index"), contents.vectors
    if rows is None or not vectors:
        return
    seen: dict[bytes, int] = {}
    for number in np.unique(rows).tolist():
        here = rows == number
        content = b"".join(np.ascontiguousarray(contents.columns[name][here]).tobytes() for name in vectors)
        if content in seen:
            place: dict[str, Any] = contents.places(here) | {"count": 1}
            yield Finding("warning", "duplicates", f"is the same as episode {seen[content]}", **place)
        seen.setdefault(content, number)
