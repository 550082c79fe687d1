"""One HTML page on one or more runs, complete in itself: it loads nothing, opens offline and can be mailed."""

import base64
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dist2_robot.errors import InputError
from dist2_robot.evaluation import compare, distributions, figures, held_out_figures, returns
from dist2_robot.evaluation.comparison_picture import methods_figure
from dist2_robot.evaluation.held_out_compare import BY_SEED, compare_held_out, compare_held_out_methods
from dist2_robot.evaluation.held_out_table import dimension_rows, notes
from dist2_robot.evaluation.held_out_text import held_out_tables
from dist2_robot.evaluation.methods import are_methods, compare_methods, tables
from dist2_robot.evaluation.run_files import RunFiles
from dist2_robot.evaluation.start_map import start_map_figure
from dist2_robot.evaluation.style import SERIES, STYLE, as_svg
from dist2_robot.files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_VIDEO_BYTES = 2_000_000
TEMPLATE = "page.html.jinja"


@dataclass(frozen=True)
class Media:
    """An episode to look at; the strip and the video are data URLs or None."""

    episode: int
    outcome: str
    strip: str | None
    video: str | None


def write_report(runs: Sequence[RunFiles], path: Path) -> Path:
    """Write the page. What the runs do not have is left out of it.

    Raises:
        InputError: There is no run, or a result file names something outside its folder.
    """
    if not runs:
        raise InputError("a report needs at least one run folder")
    import jinja2
    import matplotlib as mpl

    source = files("dist2_robot.evaluation").joinpath(TEMPLATE).read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"rate": compare.format_rate, "number": compare.format_number, "duration": _duration}
    with mpl.rc_context(STYLE):
        content = _content(runs)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, environment.from_string(source).render(content))
    return path


def _content(runs: Sequence[RunFiles]) -> dict[str, Any]:
    """Everything that the template shows."""
    evaluated = [run for run in runs if run.results]
    methods, names = _methods(evaluated), list(dict.fromkeys(run.name for run in runs))
    scored = [run for run in runs if run.held_out]
    runs, evaluated = _with_different_names(runs), _with_different_names(evaluated)
    return {
        "title": " · ".join(names[:3]) + (" · …" if len(names) > 3 else ""),
        "subjects": list(dict.fromkeys(filter(None, (run.subject for run in runs)))),
        "n_series": len(SERIES),
        "methods": methods,
        "headline": _headline(runs, evaluated, paired=methods is None) if evaluated else None,
        "curves": _plots(
            (figures.loss_figure(runs), "Training loss against training steps"),
            (figures.error_figure(runs), "Held-out action error against training steps"),
            (figures.success_curve_figure(runs), "Success rate against training steps"),
        ),
        "held_out": _held_out(runs, scored) if scored else None,
        # As far as the last validation tells, of runs from before there were scores.
        "errors": []
        if any(run.held_out for run in runs)
        else _plots(
            (figures.dimension_figure(runs), "Held-out action error by dimension"),
            (figures.horizon_figure(runs), "Held-out action error by step of the chunk"),
        ),
        "maps": _plots(*((start_map_figure(run), f"Where episodes of {run.name} started") for run in evaluated)),
        "states": _states(runs),
        "media": [(run.name, media) for run in evaluated if (media := _media(run))],
        "provenance": [_provenance(run) for run in runs],
    }


def _methods(evaluated: Sequence[RunFiles]) -> dict[str, Any] | None:
    if not are_methods(evaluated):
        return None
    try:
        comparison = compare_methods(evaluated)
    except InputError:  # their names are alike by chance
        return None
    rates, differences = tables(comparison)
    return {
        "tables": [table for table in (rates, differences) if table],
        "plot": as_svg(methods_figure(comparison), "Success rates and paired differences of methods"),
    }


def _headline(runs: Sequence[RunFiles], evaluated: Sequence[RunFiles], paired: bool) -> dict[str, Any]:
    # A run that was not evaluated keeps its row, so that colours stay those of the other plots.
    rows = [compare.summary_row(run.name, run.results) for run in runs]
    first, *others = evaluated
    differences, notes = [], [f"{row['name']}: {row['note']}" for row in rows if row["note"]]
    for other in others if paired else ():
        try:
            compared = compare.compare_runs({first.name: first.results, other.name: other.results})
            differences += compared["differences"]
        except InputError as error:
            notes.append(str(error))
    drawable = [entry for entry in differences if "interval" in entry]
    order = [run.name for run in runs]
    return {
        "rows": [row | {"training_seed": run.config.get("seed")} for row, run in zip(rows, runs, strict=True)],
        "baseline": first.name,
        "differences": [entry | {"text": compare.format_difference(entry)} for entry in differences],
        "returns": returns.returns_table({row["name"]: row for row in rows}),
        "return_differences": [
            (entry["name"], returns.format_return_difference(name, compared))
            for entry in differences
            for name, compared in entry.get("returns", {}).items()
        ],
        "notes": notes,
        "plots": _plots(
            (figures.success_figure(rows), "Success rates with 95 % intervals"),
            (
                figures.difference_figure(drawable, order) if drawable else None,
                "Paired differences of the success rate",
            ),
        ),
    }


def _held_out(runs: Sequence[RunFiles], by_method: Sequence[RunFiles]) -> dict[str, Any]:
    """What is known without a simulation: scores of the runs, paired differences, and plots.

    Args:
        runs: All of the page, each with a name of its own.
        by_method: Those with scores, as they call themselves.
    """
    scored = [(run.name, index, run.held_out) for index, run in enumerate(runs) if run.held_out]
    compared = compare_held_out({name: content for name, _, content in scored})
    if are_methods(by_method):
        with contextlib.suppress(InputError):  # their names are alike by chance
            compared = compare_held_out_methods(by_method)
    order = [row["name"] for row in compared["rows"]] if compared["by"] == BY_SEED else [run.name for run in runs]
    tables = [table for table in held_out_tables(compared) if table]
    remarks = [entry[key] for entry in compared["differences"] for key in ("note", "remark") if key in entry]
    return {
        "tables": tables,
        "notes": [*(f"{name}: {note}" for name, _, content in scored for note in notes(content)), *remarks],
        "dimensions": [(name, dimension_rows(content)) for name, _, content in scored],
        "plots": _plots(
            (held_out_figures.step_figure(scored), "Error and CRPS by step of the chunk"),
            (held_out_figures.dimension_figure(scored), "Error and CRPS by dimension"),
            (held_out_figures.coverage_figure(scored), "Truths inside of predicted intervals, by dimension"),
            (
                held_out_figures.difference_figure(compared, order),
                "Paired differences of error and CRPS",
            ),
        ),
    }


def _states(runs: Sequence[RunFiles]) -> list[dict[str, Any]]:
    return [
        {
            "heading": f"{state.dimension}, {state.step} actions ahead"
            if state.step
            else f"{state.dimension}, next action",
            "panels": [
                {
                    "svg": as_svg(
                        distributions.distribution_figure(state, index, run.name),
                        f"Target and predicted distribution of {state.dimension}, {run.name}",
                    ),
                    "caption": distributions.caption(state, index),
                }
                for index, run in enumerate(runs)
                if run.examples
            ],
        }
        for state in distributions.state_examples(runs)
    ]


def _media(run: RunFiles) -> list[Media]:
    """One failed and one solved episode, preferring those with a filmstrip."""
    strips = {entry["episode"]: entry for entry in run.results.get("filmstrips") or []}
    videos = {entry["episode"]: entry for entry in run.results.get("videos") or []}
    chosen = []
    for outcome in ("failure", "success"):
        for episode, entry in (strips | {k: v for k, v in videos.items() if k not in strips}).items():
            if entry.get("outcome") != outcome:
                continue
            strip = _data_url(run, strips.get(episode), ".png", "image/png")
            video = _data_url(run, videos.get(episode), ".mp4", "video/mp4", MAX_VIDEO_BYTES)
            if strip or video:
                chosen.append(Media(episode, outcome, strip, video))
                break
    return chosen


def _data_url(
    run: RunFiles, entry: Mapping[str, Any] | None, suffix: str, media_type: str, max_bytes: int | None = None
) -> str | None:
    file = run.attachment(entry["path"], suffix) if entry else None
    if file is None or (max_bytes is not None and file.stat().st_size >= max_bytes):
        return None
    return f"data:{media_type};base64,{base64.b64encode(file.read_bytes()).decode()}"


def _provenance(run: RunFiles) -> dict[str, Any]:
    facts = {
        "folder": run.folder,
        "checkpoint": run.results.get("checkpoint") or run.held_out.get("checkpoint"),
        "training steps": run.summary.get("steps"),
        "parameters": run.summary.get("parameters"),
        "device": run.summary.get("device"),
        "training time": _duration(run.summary.get("wall_time_s")),
        "evaluation time": _duration(run.results.get("wall_time_s")),
        "simulation speed": f"{run.results['steps_per_s']:,.0f} steps/s" if run.results.get("steps_per_s") else None,
        "actions executed per chunk": run.results.get("n_action_steps"),
        "decoding": run.results.get("decoding") or run.held_out.get("decoding"),
        "git revision": run.summary.get("git_revision"),
    }
    facts |= {f"dataset {key}": value for key, value in (run.summary.get("dataset") or {}).items()}
    facts |= {f"{key} version": value for key, value in (run.summary.get("versions") or {}).items()}
    return {
        "name": run.name,
        "facts": {
            key: f"{value:,}" if isinstance(value, int) else value for key, value in facts.items() if value is not None
        },
        "config": json.dumps(run.config, indent=2, ensure_ascii=False) if run.config else None,
    }


def _plots(*drawn: tuple["Figure | None", str]) -> list[str]:
    return [as_svg(figure, description) for figure, description in drawn if figure is not None]


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _with_different_names(runs: Sequence[RunFiles]) -> list[RunFiles]:
    """Runs of one name would be one line in tables and legends: the folder tells them apart."""
    names = [run.name for run in runs]
    renamed = [replace(run, name=f"{run.name} ({run.folder})") if names.count(run.name) > 1 else run for run in runs]
    if len({run.name for run in renamed}) < len(renamed):
        raise InputError("the same run is given more than once; name each run folder once")
    return renamed
