"""Cards, which tell what a checkpoint or a dataset is to whoever finds it: ``README.md``, from what was measured."""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.actions.units import shown_unit
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.data.folder import DatasetFolder
from dist2_robot.evaluation.licence import licence_files
from dist2_robot.printable import one_line
from dist2_robot.types import ObservationSpec

_MARKS = re.compile(r"[\\`*\[\]<>#~!]")  # which Markdown takes for more than letters
_LINKS = re.compile(r"://|www\.|@", re.IGNORECASE)  # by which renderers know the address of a page or a person


def model_card(
    manifest: Manifest, results: Mapping[str, Any], loss: Mapping[str, Any] | None, *, title: str, licence: str | None
) -> str:
    """Return the card of a checkpoint, as Markdown.

    Args:
        manifest: What it says of itself.
        results: Of its evaluation; empty where there was none.
        loss: What it was trained with, if known.
        title: The heading.
        licence: Under which it may be used; None where nobody said: the card then claims none.
    """
    spec, policy = ActionSpec.from_dict(manifest.action_spec), manifest.policy
    observation = ObservationSpec.from_dict(policy["observation"])
    pictures = [f"{name} ({height} x {width} pixels)" for name, (height, width) in observation.pictures.items()]
    parts = {key: policy.get(key) for key in ("name", "tokenizer", "head", "decoding", "distance")}
    method = [("policy" if key == "name" else key, _told(value)) for key, value in parts.items() if value is not None]
    method += [("loss", _told(loss) if loss else "not known"), ("training steps", f"{manifest.step:,}")]
    return _render(
        "model_card.md.jinja",
        title=title,
        licence=licence,
        about="A robot policy over discrete action tokens, of dist2_robot (DIST2Loss)."
        if "tokenizer" in policy
        else "A robot policy without tokens, of dist2_robot.",
        tasks=manifest.tasks,
        environments=[_told({"name": each["id"], **each["kwargs"]}) for each in manifest.environments],
        score=_score(results),
        observed=[f"{name} ({size} numbers)" for name, size in observation.numbers.items()] + pictures,
        horizon=policy.get("horizon") or policy["tokenizer"]["horizon"],
        method=method,
        data=_data(manifest.dataset),
        **_actions(spec),
    )


def dataset_card(folder: DatasetFolder, *, title: str, licence: str | None) -> str:
    """Return the card of a dataset, as Markdown; without a licence it claims none. See `model_card`."""
    recorded = folder.recorded_spec()
    environment = folder.recording.get("environment")
    simulation = environment if isinstance(environment, Mapping) else {}
    arguments = simulation.get("kwargs")
    told = {"name": simulation.get("id"), **(arguments if isinstance(arguments, Mapping) else {})}
    features = [
        (
            name,
            f"{feature['dtype']} ({' x '.join(map(str, feature['shape']))})",
            ", ".join(folder.names(name)) if is_vector else "",
        )
        for name, feature in folder.info["features"].items()
        if (is_vector := feature["dtype"].startswith("float") and name != "timestamp") or ".images." in name
    ]
    return _render(
        "dataset_card.md.jinja",
        title=title,
        licence=licence,
        episodes=folder.info["total_episodes"],
        frames=folder.info["total_frames"],
        robot=folder.info.get("robot_type") or "an unnamed robot",
        version=folder.info["codebase_version"],
        tasks=list(folder.tasks().values()),
        features=features,
        origin=f"Recorded in the simulation {_told(told)}." if simulation else "Its recorder did not say.",
        licence_files=licence_files(folder.root),
        **(_actions(recorded) if recorded else {"dimensions": (), "rate": f"{folder.rate_hz:g}"}),
    )


def _render(template: str, **content: Any) -> str:
    import jinja2

    source = files("dist2_robot.evaluation").joinpath(template).read_text(encoding="utf-8")
    # Markdown, not HTML; the values are those of files, and are put on lines of their own.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    return environment.from_string(source).render({key: _plain(value) for key, value in content.items()}) + "\n"


def _plain(value: Any) -> Any:
    """Return text that is shown as it is: it ends no line and no cell of a table, and is no link, picture or HTML."""
    if isinstance(value, str):
        line = _MARKS.sub(r"\\\g<0>", one_line(value).replace("|", "/"))
        return _LINKS.sub(lambda found: "".join(f"&#{ord(letter)};" for letter in found[0]), line)
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _actions(spec: ActionSpec) -> dict[str, Any]:
    dimensions = [vars(each) | {"unit": shown_unit(each.unit) or "-"} for each in spec.dimensions]
    control = "Absolute targets" if spec.control_mode == "absolute" else "Differences from where the robot stands"
    return {"dimensions": dimensions, "control": control, "rate": f"{spec.rate_hz:g}", "source": spec.source}


def _score(results: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the rate, and what else is to be said of it."""
    rate, interval = results.get("success_rate"), results.get("success_interval")
    if rate is None or not interval:
        return None
    low, high = interval
    failed = f", {results['errors']} of them ended in an error" if results.get("errors") else ""
    counted = f"{results['episodes']} episodes{failed}"
    return f"{rate:.0%}", f"95 % interval from {low:.0%} to {high:.0%}, {counted}"


def _data(dataset: Mapping[str, Any]) -> str:
    known = {key: dataset[key] for key in ("episodes", "training_frames", "held_out_frames") if key in dataset}
    counts = ", ".join(f"{value:,} {key.replace('_', ' ')}" for key, value in known.items())
    fingerprint = str(dataset.get("fingerprint", "not known"))[:16]
    return f"{counts or 'Not known'}; fingerprint {fingerprint}."


def _told(config: Any) -> str:
    """Return a name and its arguments, ``squared(unit=tolerance)``."""
    if not isinstance(config, Mapping):
        return str(config)
    if isinstance(config.get("terms"), Mapping):
        return " + ".join(_told({k: v for k, v in term.items() if k != "weight"}) for term in config["terms"].values())
    arguments = ", ".join(f"{key}={_told(value)}" for key, value in config.items() if key != "name")
    return f"{config.get('name', '')}({arguments})" if arguments else str(config.get("name", ""))
