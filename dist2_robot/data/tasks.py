"""The tasks of a dataset, in words."""

from pathlib import Path

from dist2_robot.data.parquet import read_lists

TASKS_FILE = Path("meta/tasks.parquet")


def read_tasks(root: Path) -> dict[int, str]:
    """Return task number -> text, empty where it has none.

    Raises:
        FileNotFoundError: The dataset has no such table.
        ValueError: It cannot be read. It says why, in one line, not where.
    """
    table = read_lists(root / TASKS_FILE, ["task", "__index_level_0__", "task_index"], some=True)
    texts = table.get("task", table.get("__index_level_0__"))  # pandas' index may have lost its name
    if texts is None or "task_index" not in table:
        raise ValueError("it has no column 'task' or no 'task_index'")
    tasks = list(zip(table["task_index"], texts, strict=True))
    if not all(type(number) is int and isinstance(text, str | None) for number, text in tasks):
        raise ValueError("it does not hold a number and a text for each task")
    return {number: text or "" for number, text in tasks}
