"""Does somebody know what the numbers mean? N frames."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from dist2_robot.actions.told_spec import ToldSpec
from dist2_robot.data.audit.contents import Contents
from dist2_robot.data.audit.finding import Finding
from dist2_robot.data.recorded_spec import RecordedSpec, describe
from dist2_robot.errors import InputError, some_of

INFO, ACTION, STATE = "meta/info.json", "action", "observation.state"
FOLLOWS = 0.5  # least correlation of absolute targets with where the robot stands in the next frame


def recorded_meaning(contents: Contents, told: Sequence[ToldSpec] = ()) -> RecordedSpec:
    """Return what the numbers of a dataset mean.

    Raises:
        InputError: Its actions cannot be read, or what is told contradicts it.
    """
    observed = contents.folder.state_features()
    names = [name for name in contents.columns if name == ACTION or name in observed]
    if ACTION not in names or not len(contents):
        raise InputError(f"the actions of '{contents.folder.root}' cannot be read, so nothing is known of them")
    finite = np.all([np.isfinite(contents.columns[name]).all(axis=1) for name in names], axis=0)
    columns = {name: torch.from_numpy(contents.columns[name][finite].astype(np.float32)) for name in names}
    return describe([contents.folder], [columns], told)


def check_meaning(contents: Contents) -> Iterator[Finding]:
    """The unit of every number is known, and they have names."""
    try:
        recorded = recorded_meaning(contents, contents.told)
    except InputError as error:
        if contents.told:
            yield Finding("error", "spec", str(error), INFO)
        return
    for feature, names in recorded.unknown.items():
        if feature == ACTION:
            text = (
                f"nobody tells the unit of {some_of(names)} of '{feature}': they train as plain numbers, and are "
                "refused by robots until it is told with dataset.spec=; write_spec=arm.yaml proposes one"
            )
            yield Finding("warning", "units", text, INFO, count=1)
        else:
            yield Finding("note", "units", f"nobody tells the unit of {some_of(names)} of '{feature}'", INFO)
    for feature in (ACTION, *recorded.observed):
        if not contents.folder.are_named(feature):
            text = f"the numbers of '{feature}' have no names: tell them with dataset.spec="
            yield Finding("warning" if feature == ACTION else "note", "names", text, INFO)
    for feature, why in contents.folder.left_out().items():
        yield Finding("note", "left out", f"'{feature}' is not used: {why}", INFO)
    yield from _check_mode(contents, recorded)


def _check_mode(contents: Contents, recorded: RecordedSpec) -> Iterator[Finding]:
    """Targets that are taken for absolute lead the state of the same name; movements do not."""
    if "guessed" not in recorded.remarks["control_mode"][0] or STATE not in recorded.observed:
        return
    names = [d.name for d in recorded.observed[STATE]]
    shared = [(i, names.index(name)) for i, name in enumerate(recorded.action.names) if name in names]
    action, state, episode = (contents.columns.get(name) for name in (ACTION, STATE, "episode_index"))
    if action is None or state is None or episode is None or len(contents) < 3:
        return
    within = np.diff(episode) == 0
    odd = []
    for i, j in shared:
        target, reached = action[:-1, i][within].astype(np.float64), state[1:, j][within].astype(np.float64)
        if np.ptp(target) > 0 and np.ptp(reached) > 0 and not np.corrcoef(target, reached)[0, 1] >= FOLLOWS:
            odd.append(recorded.action.names[i])
    if len(odd) > len(shared) / 2:
        text = (
            f"the state does not follow {some_of(odd)} of 'action': they may be movements, not absolute targets; tell "
            "control_mode: delta, relative or absolute with dataset.spec="
        )
        yield Finding("warning", "control mode", text, INFO)
