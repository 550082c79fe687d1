"""Episodes of a source as those of the new dataset, with notes of what is left out and what is assumed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from dist2_robot.data.episode import Episode
from dist2_robot.data.importing.bounds import NUMBERS
from dist2_robot.data.importing.imported import Imported, ImportedFeature, ImportOptions
from dist2_robot.data.importing.layout import choose_layout, is_picture
from dist2_robot.data.importing.source import Frames, Layout, LeftOutError, Source, SourceEpisode, Video
from dist2_robot.data.vectors import MAX_NUMBERS, counted_names
from dist2_robot.data.writer import SMALLEST_VIDEO
from dist2_robot.errors import InputError
from dist2_robot.types import ACTION

NO_TASK = "not told"
LARGEST_EXACT = 2**24  # of the whole numbers that float32 holds
NOT_TAKEN = "neither a vector of numbers nor colour pictures of 8 bits"
SEVERAL_AXES = "several axes: name it in rename= to have it flattened"


class Conversion:
    """Turns episodes of the source into those of the new dataset, and notes what is left out."""

    def __init__(self, source: Source, options: ImportOptions) -> None:
        self.source, self.options = source, options
        self.layout: Layout = {}
        self.said = {*options.rename.values(), *options.join}  # features whose columns are asked for
        self.features: dict[str, ImportedFeature] = {}
        self.axes: dict[str, tuple[int, ...]] = {}  # column of numbers -> their shape in a frame
        self.names: dict[str, list[str]] = {}
        self.is_video: dict[str, bool] = {}
        self.videos: dict[str, list[Video]] = {}
        self.left_out, self.assumed = list(source.left_out), list(source.assumed)
        self.taken = 0

    def episodes(self, names: Iterable[str]) -> Iterator[Episode]:
        """Yield the episodes that can be taken."""
        for name in names:
            try:
                found = self.source.episodes[name]()
                if not self.features:
                    self._plan(found)
                features, videos = self._take(found)
                for pictures in (x for x in features.values() if isinstance(x, Frames)):
                    pictures.check()
            except LeftOutError as error:
                if self.options.strict:
                    raise InputError(f"{name} cannot be taken: {error}") from None
                self.left_out.append(f"{name}: {error}")
                continue
            for feature, video in videos.items():
                self.videos.setdefault(feature, []).append(video)
            self.taken += 1
            task = self.options.task or found.task
            if found.task and self.options.task:
                self._assume("task: what task= says, in place of what the source tells")
            if not task:
                task = NO_TASK
                self._assume(f"task: '{NO_TASK}', as nobody told (task=...)")
            if not isinstance(task, str) and not all(task):
                self._assume(f"task: '{NO_TASK}' in the frames of which nobody told")
                task = [text or NO_TASK for text in task]
            yield Episode(features, task, seed=-1)

    def summary(self, frames: int, rate_hz: float) -> Imported:
        """Return what came in."""
        left_out, assumed = tuple(self.left_out), tuple(dict.fromkeys(self.assumed))
        return Imported(self.source.format, self.taken, frames, rate_hz, self.features, left_out, assumed)

    def _plan(self, episode: SourceEpisode) -> None:
        """Choose features by the first episode that can be read."""
        options, columns = self.options, episode.columns
        standard = self.source.layout(columns)
        layout = choose_layout(columns, standard, options.rename, options.join)
        if missing := [key for keys in layout.values() for key in keys if key not in columns]:
            raise LeftOutError(f"it has no '{missing[0]}' that is an array of numbers")
        for feature, keys in layout.items():
            kind = _kind([columns[key] for key in keys], flatten=feature in self.said)
            if kind is None:
                text = f"{' and '.join(keys)} {_describe(columns[keys[0]])}: {_why([columns[key] for key in keys])}"
                if feature in self.said or feature == ACTION:
                    raise InputError(f"'{feature}' cannot be made of {text}")
                self.left_out.append(text)
                continue
            self.layout[feature] = keys
            shape, stored = tuple(int(n) for n in columns[keys[0]].shape[1:]), "video, as it was"
            if kind == "vector":
                axes = {key: _axes(columns[key]) for key in keys}
                self.axes |= axes
                names = self._names(feature, axes)
                self.names[feature], shape, stored = names, (len(names),), "numbers"
            elif kind == "picture":
                is_small = min(shape[:2]) < SMALLEST_VIDEO
                self.is_video[feature] = options.video and not is_small and keys[0] not in self.source.png
                stored = "video" if self.is_video[feature] else "PNG"
                if is_small and options.video:
                    self.assumed.append(f"{feature}: PNG, as {shape[0]} x {shape[1]} pixels are too few for a video")
            self.features[feature] = ImportedFeature(shape, tuple(self.names.get(feature, ())), stored, tuple(keys))
        unknown = sorted(set(options.names) - set(self.names))
        if unknown:
            raise InputError(f"names= tells of '{unknown[0]}', which is none of {sorted(self.names)}: mend it")
        if ACTION not in self.names:
            raise InputError(f"'{ACTION}' must be numbers: mend rename=")
        self._note_unused(columns)

    def _note_unused(self, columns: Mapping[str, Any]) -> None:
        used = {key for keys in self.layout.values() for key in keys} | {line.split(" ")[0] for line in self.left_out}
        length = len(columns[self.layout[ACTION][0]])
        for key, column in columns.items():
            if key in used:
                continue
            if _kind([column]) is None:
                self.left_out.append(f"{key} {_describe(column)}: {_why([column])}")
            elif len(column) != length:
                self.left_out.append(f"{key}: {len(column)} entries where the action has {length}, not one a frame")
            else:
                self.left_out.append(f"{key} {_describe(column)}: not asked for (rename=, join=)")

    def _names(self, feature: str, axes: Mapping[str, tuple[int, ...]]) -> list[str]:
        size = sum(prod(shape) for shape in axes.values())
        given = self.options.names.get(feature)
        if given is not None:
            names = [str(name) for name in given]
            if len(names) != size or len(set(names)) != len(names):
                raise InputError(f"names= gives '{feature}' {len(set(names))} names, it has {size} numbers: mend it")
            return names
        names = []
        for key, shape in axes.items():
            told = self.source.names.get(key)
            if told is None:
                first = counted_names(key, [1] * len(shape))[0]
                self.assumed.append(f"names of {feature}: {first} ... by place, as nobody told (names=)")
            names += told or counted_names(key.rsplit("/", 1)[-1], shape)
        return names if len(set(names)) == len(names) else [f"{feature}[{i}]" for i in range(len(names))]

    def _take(self, episode: SourceEpisode) -> tuple[dict[str, Any], dict[str, Video]]:
        """Return the features of an episode, and its videos. Raises LeftOutError."""
        missing = sorted({key for keys in self.layout.values() for key in keys} - episode.columns.keys())
        if missing:
            raise LeftOutError(f"it has no '{missing[0]}'")
        alone = [key for keys in self.layout.values() for key in keys if not episode.columns[key].shape]
        if alone:
            raise LeftOutError(f"'{alone[0]}' is a single number, not one entry a frame")
        first = self.layout[ACTION][0]
        length = len(episode.columns[first])
        if not length:
            raise LeftOutError("it has no frame")
        features, videos = {}, {}
        for feature, keys in self.layout.items():
            columns = [episode.columns[key] for key in keys]
            for key, column in zip(keys, columns, strict=True):
                if len(column) != length:
                    raise LeftOutError(f"'{key}' has {len(column)} frames, '{first}' {length}")
            shape = self.features[feature].shape
            if self.features[feature].stored == "numbers":
                if _kind(columns, flatten=feature in self.said) != "vector":
                    raise LeftOutError(f"'{keys[0]}' is {_describe(columns[0])}, no vector of numbers")
                for key, column in zip(keys, columns, strict=True):
                    if _axes(column) != self.axes[key]:
                        raise LeftOutError(f"'{key}' has the shape {_axes(column)}, the first episode {self.axes[key]}")
                found: Any = self._numbers(feature, columns)
            else:
                found = columns[0]
                if self.features[feature].stored.startswith("video,") != isinstance(found, Video) or len(keys) != 1:
                    raise LeftOutError(f"'{keys[0]}' is {_describe(found)}, not as in the others")
            if tuple(found.shape[1:]) != shape:
                raise LeftOutError(f"'{feature}' has the shape {tuple(found.shape[1:])}, the first episode {shape}")
            (videos if isinstance(found, Video) else features)[feature] = found
        return features, videos

    def _numbers(self, feature: str, columns: Sequence[Any]) -> np.ndarray:
        for column in columns:
            if column.dtype.kind in "iu" and np.abs(column.astype(np.float64)).max() > LARGEST_EXACT:
                self._assume(f"{feature}: whole numbers above {LARGEST_EXACT} are rounded to float32")
        with np.errstate(over="ignore"):
            parts = [column.astype(np.float32).reshape(len(column), -1) for column in columns]
        values = np.ascontiguousarray(np.concatenate(parts, axis=1))
        wrong = np.argwhere(~np.isfinite(values))
        if len(wrong):
            raise LeftOutError(f"'{feature}' is not finite at frame {wrong[0][0]}")
        return values

    def _assume(self, line: str) -> None:
        if line not in self.assumed:
            self.assumed.append(line)


def _kind(columns: Sequence[Any], *, flatten: bool = False) -> str | None:
    """Return what columns side by side are: a vector, a picture, a video; None for what is not taken.

    Args:
        columns: Each (T, ...).
        flatten: Whether numbers on several axes are a vector, too; of at most `MAX_NUMBERS` in all.
    """
    if len(columns) == 1 and isinstance(columns[0], Video):
        return "video"
    if len(columns) == 1 and is_picture(columns[0]):
        return "picture"
    if not all(isinstance(x, np.ndarray) and x.ndim and x.dtype.kind in NUMBERS and prod(_axes(x)) for x in columns):
        return None
    if all(x.ndim <= 2 for x in columns):
        return "vector"
    return "vector" if flatten and sum(prod(_axes(x)) for x in columns) <= MAX_NUMBERS else None


def _why(columns: Sequence[Any]) -> str:
    """Say why columns are not taken."""
    return SEVERAL_AXES if _kind(columns, flatten=True) == "vector" else NOT_TAKEN


def _axes(column: Any) -> tuple[int, ...]:
    """Return the shape in a frame; a number alone is a vector of one."""
    return tuple(int(n) for n in column.shape[1:]) or (1,)


def _describe(column: Any) -> str:
    return f"{_axes(column)} {getattr(column, 'dtype', 'video')}"
