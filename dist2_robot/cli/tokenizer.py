"""dist2-tokenizer: what each tokenizer costs and loses on a dataset."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml

from dist2_robot.actions.constants import count_dimensions
from dist2_robot.checkpoints.registry import build_tokenizer
from dist2_robot.cli.app import run_command
from dist2_robot.cli.dataset import TrainingData, load_training_data
from dist2_robot.config_dir import config_dir
from dist2_robot.errors import InputError, did_you_mean
from dist2_robot.evaluation.tokenizer_figure import write_tokenizer_picture
from dist2_robot.evaluation.tokenizer_report import TokenizerReport, measure_tokenizer, share_at_limits
from dist2_robot.evaluation.tokenizer_table import format_tokenizers
from dist2_robot.json_file import write_json
from dist2_robot.progress import progress_bar

ABOUT = """
Compare tokenizers on recorded actions before anything is trained: how many tokens, and what is lost.

  dist2-tokenizer dataset.root=data/push output=tokenizers
  dist2-tokenizer dataset.root=data/push tokenizer=dct tokenizer.coefficients=4
  dist2-tokenizer dataset.root=data/push 'tokenizers=[uniform,{name: dct, coefficients: 4}]'

They learn from the training episodes and are measured on those held out. tokenizer= with settings that are not the
defaults is one more row.
"""


def tokenizer(config: dict[str, Any]) -> int:
    """Data, tokenizers, figures, table, picture."""
    if config["horizon"] < 1:
        raise InputError(f"horizon must be at least 1, got {config['horizon']}")
    chosen = _chosen(config["tokenizers"], config["tokenizer"])
    data = load_training_data(config["dataset"], config["horizon"], config["seed"], pictures=False)
    if data.training.gather(torch.arange(len(data.training))).is_padding.any(dim=1).all():
        raise InputError(f"no episode to learn from has {config['horizon']} steps: use a smaller horizon")
    reports, notes = _measure(chosen, config["horizon"], data)
    if not reports:
        raise InputError("; ".join(f"{name}: {note}" for name, note in notes.items()))
    print(f"{_headline(data, config['horizon'])}\n\n{format_tokenizers(reports, data.spec, notes)}")
    if config["output"]:
        output = Path(config["output"])
        output.mkdir(parents=True, exist_ok=True)
        write_json(output / "tokenizers.json", _record(reports, notes, data, config))
        title = f"{data.folders[0].root.name}: {data.episodes} episodes, chunks of {config['horizon']} steps"
        picture = write_tokenizer_picture(reports, title, output / "tokenizers.png")
        print(f"\nfigures and picture: {output / 'tokenizers.json'}, {picture}")
    return 0


def _chosen(names: Any, extra: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return label -> settings of all tokenizers to measure."""
    standard = {path.stem: yaml.safe_load(path.read_text()) for path in (config_dir() / "tokenizer").glob("*.yaml")}
    if names is not None and not (isinstance(names, list) and names):
        raise InputError(f"tokenizers must be a [list] of names, or null for all, got {names!r}")
    entries = [_entry(one, standard) for one in (sorted(standard) if names is None else names)]
    if extra != standard.get(extra["name"]):
        entries.append(_entry(extra, standard))
    return {_label(entry, standard[entry["name"]]): entry for entry in entries}


def _entry(one: Any, standard: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings that a name, or a name with settings, means."""
    settings = dict(one) if isinstance(one, Mapping) else {"name": one}
    name = settings.get("name")
    if not isinstance(name, str) or name not in standard:
        raise InputError(
            f"there is no tokenizer {name!r}.{did_you_mean(str(name), standard)} Known: {', '.join(sorted(standard))}"
        )
    for key in settings:
        if key not in standard[name]:
            known = [known for known in standard[name] if known != "name"]
            raise InputError(
                f"tokenizer '{name}' has no setting '{key}'.{did_you_mean(key, known)} Known: {', '.join(known)}"
            )
    return {**standard[name], **settings}


def _label(entry: Mapping[str, Any], standard: Mapping[str, Any]) -> str:
    """Return the name, with what is not as usual."""
    changes = [f"{key}={value}".replace(" ", "") for key, value in entry.items() if value != standard[key]]
    return " ".join([entry["name"], *changes])


def _measure(
    chosen: Mapping[str, Mapping[str, Any]], horizon: int, data: TrainingData
) -> tuple[list[TokenizerReport], dict[str, str]]:
    """Return the reports, and why some tokenizers cannot be used on these data."""
    built, reports, notes = {}, [], {}
    for label, settings in chosen.items():
        try:
            built[label] = build_tokenizer(data.spec, {**settings, "horizon": horizon})
        except InputError as error:
            notes[label] = str(error)
    held_out = data.held_out if len(data.held_out) else data.training
    with progress_bar(built.items(), desc="measure", unit="tokenizer", disable=not built) as progress:
        for label, one in progress:
            progress.set_postfix_str(label, refresh=False)
            try:
                reports.append(measure_tokenizer(label, one, data.training, held_out))
            except ValueError as error:
                notes[label] = " ".join(str(error).split())
    return reports, notes


def _headline(data: TrainingData, horizon: int) -> str:
    held_out = f"{len(data.held_out):,} held out" if len(data.held_out) else "none held out: errors are of those"
    at_limits = share_at_limits(data.spec, data.training)
    share = sum(at_limits.values()) / max(1, len(at_limits))
    return (
        f"{data.name}: {data.episodes} episodes, {len(data.training):,} chunks to learn from, {held_out}; "
        f"{horizon} steps of {count_dimensions(data.spec)} at {data.spec.rate_hz:g} Hz; {100 * share:.1f} % of actions "
        f"at or beyond their limits (from {data.spec.source})"
    )


def _record(
    reports: list[TokenizerReport], notes: Mapping[str, str], data: TrainingData, config: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all that was found, as plain values."""
    spec = data.spec
    return {
        "kind": "tokenizers",
        "dataset": data.describe(),
        "horizon": config["horizon"],
        "seed": config["seed"],
        "rate_hz": spec.rate_hz,
        "units": dict(zip(spec.names, spec.units, strict=True)),
        "tolerances": {d.name: d.tolerance for d in spec.dimensions},
        "constants": {d.name: d.constant for d in spec.dimensions if d.constant is not None},
        "share_at_limits": share_at_limits(spec, data.training),
        "tokenizers": [asdict(report) for report in reports],
        "not_measured": dict(notes),
    }


def main() -> None:
    run_command("dist2-tokenizer", "tokenizer", ABOUT, tokenizer)


if __name__ == "__main__":
    main()
