"""All that a dataset holds, read as far as it can be read. N frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.actions.told_spec import ToldSpec
from dist2_robot.data.audit.finding import Finding
from dist2_robot.data.columns import flat_column
from dist2_robot.data.folder import DIST2_FILE, DatasetFolder
from dist2_robot.data.parquet import Allowance, open_parquet, read_columns, read_lists
from dist2_robot.data.tasks import TASKS_FILE as TASKS
from dist2_robot.data.tasks import read_tasks
from dist2_robot.data.vectors import NUMBERS, vector_size
from dist2_robot.errors import InputError, first_line
from dist2_robot.json_file import read_json

EPISODE_NUMBERS = ("episode_index", "length", "dataset_from_index", "dataset_to_index")
EPISODE_COLUMNS = (*EPISODE_NUMBERS, "tasks")
INDICES = ("episode_index", "frame_index", "index", "timestamp", "task_index")
STATS_FILE, TASKS_FILE = "meta/stats.json", str(TASKS)
_NUMPY_NAMES = {"float": "float32", "double": "float64"}  # of Arrow's types, where they differ
UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError)


@dataclass
class Contents:
    """Attributes:
    folder: Its metadata.
    files: Data files that could be read, as paths inside the dataset.
    columns: Numeric columns of those -> (N,) for indices, else (N, size); only what all files have alike.
    file_of_row: (N,), place in `files`.
    episodes: Columns of LeRobot's table of episodes, or None.
    tasks: Task number -> text, or None.
    statistics: Of ``meta/stats.json``, or None.
    findings: What could not be read.
    told: What the user tells of the numbers.
    """

    folder: DatasetFolder
    files: list[str]
    columns: dict[str, np.ndarray]
    file_of_row: np.ndarray
    episodes: Mapping[str, Sequence[Any]] | None
    tasks: Mapping[int, str] | None
    statistics: Mapping[str, Any] | None
    findings: list[Finding] = field(default_factory=list)
    told: Sequence[ToldSpec] = ()

    def __len__(self) -> int:
        return len(self.file_of_row)

    @cached_property
    def vectors(self) -> list[str]:
        """Names of the recorded vectors: observations and actions."""
        return [name for name in self.columns if name not in INDICES]

    @cached_property
    def spec(self) -> ActionSpec | None:
        """What the recorder told of actions, if anything."""
        try:
            return self.folder.recorded_spec()
        except InputError:
            return None

    def places(self, rows: np.ndarray) -> dict[str, Any]:
        """Return file, episode and frame of the first of the rows of a mask (N,), how many, and which episodes.

        As a `Finding` has them.
        """
        first = int(np.argmax(rows))
        found: dict[str, Any] = {"file": self.files[self.file_of_row[first]], "count": int(rows.sum())}
        if "frame_index" in self.columns:
            found["frame"] = int(self.columns["frame_index"][first])
        if "episode_index" in self.columns:
            numbers = self.columns["episode_index"]
            found |= {"episode": int(numbers[first]), "episodes": tuple(np.unique(numbers[rows]).tolist())}
        return found


def read_contents(folder: DatasetFolder) -> Contents:
    """Read everything but videos; what cannot be read becomes a finding."""
    findings: list[Finding] = []
    files, tables = [], []
    numbers = [name for name, feature in folder.info["features"].items() if feature["dtype"].startswith(NUMBERS)]
    allowance = Allowance()
    for path in folder.data_files():
        name = str(path.relative_to(folder.root))
        try:
            tables.append(read_columns(path, numbers, some=True, allowance=allowance))
            files.append(name)
        except UNREADABLE as error:
            findings.append(Finding("error", "unreadable", f"cannot be read: {first_line(error)}", name))
    columns = {}
    for name in numbers:
        feature = folder.info["features"][name]
        found = [_column(table, name, feature, file) for table, file in zip(tables, files, strict=True)]
        findings += [entry for entry in found if isinstance(entry, Finding)]
        arrays = [entry for entry in found if isinstance(entry, np.ndarray)]
        if arrays and len(arrays) == len(found):
            columns[name] = np.concatenate(arrays)
    rows = [table.num_rows for table in tables]
    contents = Contents(folder, files, columns, np.repeat(np.arange(len(files)), rows), None, None, None, findings)
    contents.episodes = _episodes(folder, findings)
    contents.tasks = _tasks(folder, findings)
    contents.statistics = _statistics(folder, findings)
    if "action_spec" in folder.recording and contents.spec is None:
        findings.append(Finding("error", "action spec", "the action spec is damaged", str(DIST2_FILE)))
    return contents


def _column(table: pa.Table, name: str, feature: Mapping[str, Any], file: str) -> np.ndarray | Finding:
    """Return a column as an array, or why it is none."""
    if name not in table.schema.names:
        return Finding("error", "columns", f"has no column '{name}', which info.json lists", file)
    if table.schema.names.count(name) > 1:
        return Finding("error", "columns", f"has the column '{name}' more than once", file)
    column = table[name].combine_chunks()
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        return Finding("error", "columns", f"'{name}' is empty in row {row}", file, count=column.null_count)
    size, kind = vector_size(feature), _kind(column.type)
    if name in INDICES and name != "timestamp" and not pa.types.is_integer(kind):
        return Finding("error", "types", f"'{name}' is {kind}, and no whole number", file)
    if _NUMPY_NAMES.get(str(kind), str(kind)) != feature["dtype"]:
        return Finding("error", "types", f"'{name}' is {kind}, info.json tells {feature['dtype']}", file)
    try:
        values = flat_column(table[name], name)
    except ValueError as error:
        return Finding("error", "shapes", f"{error}; info.json tells {size} numbers", file)
    if len(values) and values.shape[1] != size:
        text = f"'{name}' has {values.shape[1]} numbers a frame, info.json tells {size}"
        return Finding("error", "shapes", text, file)
    values = values if len(values) else np.zeros((0, size), values.dtype)  # a file without rows tells no sizes
    return values[:, 0] if name in INDICES else values


def _kind(column: pa.DataType) -> pa.DataType:
    """Return the type of the numbers of a column, whatever lists they are in."""
    while True:
        column = column.storage_type if isinstance(column, pa.ExtensionType) else column
        if not pa.types.is_nested(column) or pa.types.is_struct(column) or pa.types.is_map(column):
            return column
        column = column.value_type


def _episodes(folder: DatasetFolder, findings: list[Finding]) -> Mapping[str, Sequence[Any]] | None:
    paths = sorted((folder.root / "meta/episodes").glob("chunk-*/file-*.parquet"))
    if not paths:
        findings.append(Finding("error", "episodes", "there is no table of episodes", "meta/episodes"))
        return None
    try:
        tables = []
        for path in paths:
            tasks = {"tasks": []} if "tasks" in open_parquet(path).schema_arrow.names else {}  # nothing is read of them
            tables.append(read_lists(path, EPISODE_NUMBERS, some=True) | tasks)
            if odd := [name for name in EPISODE_NUMBERS if not all(type(x) is int for x in tables[-1].get(name, ()))]:
                raise ValueError(f"'{odd[0]}' is not a whole number in every row")
        return {name: [x for table in tables for x in table[name]] for name in tables[0]}
    except UNREADABLE as error:
        file = str(path.relative_to(folder.root))
        findings.append(Finding("error", "unreadable", f"cannot be read: {first_line(error)}", file))
        return None


def _tasks(folder: DatasetFolder, findings: list[Finding]) -> Mapping[int, str] | None:
    path = folder.root / TASKS_FILE
    try:
        return read_tasks(folder.root)
    except UNREADABLE as error:
        said = "is missing" if not path.exists() else f"cannot be read: {first_line(error)}"
        findings.append(Finding("error", "tasks", said, TASKS_FILE))
        return None


def _statistics(folder: DatasetFolder, findings: list[Finding]) -> Mapping[str, Any] | None:
    path = folder.root / STATS_FILE
    try:
        statistics = read_json(path)
    except FileNotFoundError:
        findings.append(
            Finding("warning", "statistics", "is missing: LeRobot's policies need it, ours do not", STATS_FILE)
        )
        return None
    except ValueError as error:
        findings.append(Finding("warning", "statistics", f"is not valid JSON ({error})", STATS_FILE))
        return None
    return statistics if isinstance(statistics, dict) else None
