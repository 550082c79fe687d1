"""Several datasets as one: by the names of their numbers, not by their order."""

from collections.abc import Sequence
from dataclasses import replace

from dist2_robot.data.folder import DatasetFolder
from dist2_robot.data.table import FrameTable
from dist2_robot.errors import InputError
from dist2_robot.types import ACTION


def in_one_order(
    folders: Sequence[DatasetFolder], tables: Sequence[FrameTable], target: str = ACTION
) -> list[FrameTable]:
    """Return the tables with the numbers of every vector in the order in which the first dataset has them.

    Args:
        folders: The datasets.
        tables: Their columns.
        target: Which feature the ``action`` of the tables is.

    Raises:
        InputError: A dataset lacks a vector, or its numbers have other names; both are named.
    """
    first = folders[0]
    ordered = [tables[0]]
    for folder, table in zip(folders[1:], tables[1:], strict=True):
        features = dict(table.features)
        for key in (key for key, values in tables[0].features.items() if values.ndim == 2):
            feature = target if key == ACTION else key
            if key not in features:
                raise InputError(
                    f"'{first.root}' has '{feature}', '{folder.root}' has not: name what both have in "
                    "dataset.observations=[...]"
                )
            wanted, found = first.names(feature), folder.names(feature)
            if sorted(wanted) != sorted(found):
                raise InputError(_difference(first, folder, feature, wanted, found))
            if wanted != found:
                features[key] = features[key][:, [found.index(name) for name in wanted]]
        if more := [key for key in features if key not in tables[0].features]:
            raise InputError(
                f"'{folder.root}' has '{more[0]}', '{first.root}' has not: name what both have in "
                "dataset.observations=[...]"
            )
        ordered.append(replace(table, features=features))
    return ordered


def _difference(
    first: DatasetFolder, other: DatasetFolder, feature: str, wanted: Sequence[str], found: Sequence[str]
) -> str:
    only_first = [name for name in wanted if name not in found]
    only_other = [name for name in found if name not in wanted]
    parts = [
        f"{', '.join(names[:6])}{', ...' if len(names) > 6 else ''} only in '{folder.root}'"
        for folder, names in ((first, only_first), (other, only_other))
        if names
    ]
    return f"the numbers of '{feature}' have other names: {'; '.join(parts)}: they are no recordings of the same robot"
