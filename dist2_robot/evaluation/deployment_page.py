"""One HTML page on a run on a robot, drawn from its log and results. A action dimensions, N ticks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dist2_robot.evaluation.calibration import calibration
from dist2_robot.evaluation.compare import format_rate
from dist2_robot.evaluation.style import INK, MUTED, SERIES, STYLE, as_svg, legend_outside, log_scale, with_unit
from dist2_robot.files import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEMPLATE = "deployment.html.jinja"
SHOWN_S = 60.0  # of the joints
MAX_EVENTS = 200
ACROSS = 2
STATES = {"READY": SERIES[5], "HOLD": SERIES[4], "STOPPED": SERIES[1], "DISARMED": MUTED}
MAX_OVERRUNS = 0.001  # of the ticks


@dataclass(frozen=True)
class RobotRun:
    """What the page is drawn from.

    Attributes:
        head: First line of the log: robot, card, settings.
        results: ``results.json``.
        seconds: (N,), when each tick was, from the first one on.
        states: Of each tick.
        measured, wanted, target: (N, A), NaN where there is none.
        late_s: (N,), how late each tick began.
        events: What happened, with the second at which it did.
        answers: (M, 2), when the policy answered and how long that took, in s.
        series: Name -> (N,), NaN where unknown: ``entropy``, ``unsure``, ``speed``.
        foretold: (K, 2, M), of the dimensions that are predicted: expected and real error of the policy, in tolerances.
        foretold_from: What the real error is measured from, in words.
    """

    head: Mapping[str, Any]
    results: Mapping[str, Any]
    seconds: np.ndarray
    states: Sequence[str]
    measured: np.ndarray
    wanted: np.ndarray
    target: np.ndarray
    late_s: np.ndarray
    events: Sequence[tuple[float, str]]
    answers: np.ndarray
    series: Mapping[str, np.ndarray]
    foretold: np.ndarray
    foretold_from: str = "what the person did who moved the robot"


def gather(lines: Iterable[Mapping[str, Any]], results: Mapping[str, Any]) -> RobotRun:
    """Return the run that the lines of a log tell of. Raises KeyError or TypeError where they are no log."""
    iterator = iter(lines)
    head = next(iterator)
    ticks = [line for line in iterator if "tick" in line]
    size = len(head["card"]["spec"]["dimensions"])
    start_s = ticks[0]["in"]["now_s"] if ticks else 0.0
    seconds = np.array([line["in"]["now_s"] - start_s for line in ticks])
    readings = [line["in"]["reading"] for line in ticks]
    measured = _matrix([None if reading is None else reading["positions"] for reading in readings], size)
    return RobotRun(
        head=head,
        results=results,
        seconds=seconds,
        states=[line["out"]["state"] for line in ticks],
        measured=measured,
        wanted=_matrix([line["out"]["wanted"] for line in ticks], size),
        target=_matrix([line["out"]["target"] for line in ticks], size),
        late_s=np.array([line["timing"]["late_s"] for line in ticks]),
        events=[(s, text) for s, line in zip(seconds, ticks, strict=True) for text in line["out"]["events"]],
        answers=_answers(ticks, start_s),
        series={name: _column([line["out"][name] for line in ticks]) for name in ("entropy", "unsure", "speed")},
        foretold=_foretold(head, ticks, seconds + start_s, measured),
    )


def write_deployment_page(run: RobotRun, path: Path) -> Path:
    """Write the page."""
    import jinja2
    import matplotlib as mpl

    source = files("dist2_robot.evaluation").joinpath(TEMPLATE).read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    with mpl.rc_context(STYLE):
        figures = _figures(run)
    events = [{"seconds": seconds, "text": text} for seconds, text in run.events[:MAX_EVENTS]]
    try:
        page = environment.from_string(source).render(
            title=f"{run.head['card']['checkpoint']} on {run.head['robot']['name']}",
            facts=_facts(run),
            rows=_rows(run),
            figures=figures,
            episodes=run.results.get("episodes", []),
            events=events,
            more_events=len(run.events) - len(events),
        )
    except jinja2.UndefinedError as error:  # an entry of results.json is of another kind
        raise ValueError(str(error)) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page)
    return path


def _facts(run: RobotRun) -> str:
    settings, about = run.head["settings"], run.head["about"]
    facts = [
        f"{settings['mode']}, {settings['rate_hz']:g} Hz, policy at {run.head['card']['spec']['rate_hz']:g} Hz "
        f"({run.head['card']['form']})",
        f"started {about.get('started', 'at an unknown time')}",
        f"stopped: {run.results.get('reason', '?')}",
    ]
    if run.results.get("success_rate") is not None:
        rate = format_rate(run.results["success_rate"], run.results["success_interval"])
        facts.append(f"success {rate} of {len(run.results['episodes'])} episodes")
    return "; ".join(facts)


def _rows(run: RobotRun) -> list[dict[str, Any]]:
    time, rate_hz = run.results.get("time", {}), run.head["settings"]["rate_hz"]
    if not time.get("ticks"):
        return [{"what": "ticks", "value": "0", "target": "", "is_met": None}]
    drift_s, overruns = abs(time["drift_s"]), time["overruns"]
    measured = "unknown" if time["rate_hz"] is None else f"{time['rate_hz']:.4f} Hz"  # one tick has none
    rows = [
        ("rate", f"{measured} in {time['seconds']:.1f} s", f"{rate_hz:g} Hz", None),
        ("drift", f"{1000 * drift_s:.2f} ms", f"below one period, {1000 / rate_hz:.0f} ms", drift_s < 1 / rate_hz),
        ("overruns", f"{100 * overruns:.3f} %", "below 0.1 % on an idle machine", overruns < MAX_OVERRUNS),
        ("ticks begun late, 99 %", f"{1000 * time['late_s']['p99']:.2f} ms", "", None),
        ("commands", f"{time['commands_sent']}, {time['limited_ticks']} behind what was wanted", "", None),
        ("chunks", f"{time['chunks']}, {time['dropped_chunks']} dropped", "", None),
    ]
    for name, entry in (("answers of the policy", "answer_s"), ("its inference alone", "inference_s")):
        if value := time.get(entry):
            text = f"median {1000 * value['median']:.0f} ms, 99 % {1000 * value['p99']:.0f} ms"
            rows.append((name, text, "", None))
    dropped, error = run.results.get("log_lines_dropped", "?"), run.results.get("log_error")
    rows.append(("lines of the log dropped", f"{dropped}: {error}" if error else str(dropped), "0", None))
    return [{"what": w, "value": v, "target": t, "is_met": m} for w, v, t, m in rows]


def _figures(run: RobotRun) -> list[dict[str, str]]:
    if not len(run.seconds):
        return []
    drawn = [
        (
            "Joints",
            f"The first {min(SHOWN_S, float(run.seconds[-1])):.0f} s: measured, sent, and thin what the policy wanted; "
            "dashed the limits of the policy's actions. Shaded: ready, holding, stopped, disarmed.",
            _joints(run),
        ),
        ("Time", "How late ticks began, and how long the policy took to answer.", _timing(run)),
    ]
    if any(np.isfinite(run.series[name]).any() for name in ("entropy", "unsure")):
        text = "Entropy of the tokens, the error that the policy expects of itself, and the speed of play."
        drawn.append(("How sure the policy was", text, _sureness(run)))
    if len(run.foretold):
        found = calibration(run.foretold[:, 0], run.foretold[:, 1])
        text = (
            f"What the policy expected to be off, against how far it was from {run.foretold_from}: the real error is "
            f"{found.ratio:.2f} times the expected one, correlation {found.correlation:.2f}."
        )
        drawn.append(("Does it know how far off it is?", text, _reliability(run)))
    return [{"title": title, "caption": caption, "svg": svg} for title, caption, svg in drawn]


def _joints(run: RobotRun) -> str:
    from matplotlib.figure import Figure

    dimensions = run.head["card"]["spec"]["dimensions"]
    shown = run.seconds <= SHOWN_S
    rows = -(-len(dimensions) // ACROSS)
    figure = Figure(figsize=(5.2 * ACROSS, 1.9 * rows))
    panels = list(figure.subplots(rows, ACROSS, squeeze=False, sharex=True).flat)
    for i, (axes, dimension) in enumerate(zip(panels, dimensions, strict=False)):
        t = run.seconds[shown]
        axes.plot(t, run.measured[shown, i], color=SERIES[0], linewidth=1.6, label="measured")
        axes.plot(t, run.target[shown, i], color=SERIES[1], linewidth=1.0, label="sent")
        axes.plot(t, run.wanted[shown, i], color=INK, linewidth=0.5, label="wanted")
        for side in ("low", "high"):
            axes.axhline(dimension[side], color=MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
        _shade(axes, t, [state for state, is_shown in zip(run.states, shown, strict=True) if is_shown])
        axes.set_title(dimension["name"])
        axes.set_ylabel(with_unit("", dimension["unit"]).strip())
    for axes in panels[len(dimensions) :]:
        axes.set_visible(False)
    for axes in panels[-ACROSS:]:
        axes.set_xlabel("time (s)")
    legend_outside(figure, panels[0])
    return as_svg(figure, "Joint positions over time")


def _shade(axes: "Axes", seconds: np.ndarray, states: Sequence[str]) -> None:
    """Mark the stretches in which the policy does not move the robot."""
    start = 0
    for i in range(1, len(states) + 1):
        if i < len(states) and states[i] == states[start]:
            continue
        if states[start] in STATES:
            end = seconds[min(i, len(seconds) - 1)]
            axes.axvspan(seconds[start], end, color=STATES[states[start]], alpha=0.15, linewidth=0)
        start = i


def _timing(run: RobotRun) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * ACROSS, 2.4))
    late, answers = figure.subplots(1, 2)
    late.hist(1000 * run.late_s, bins=60, color=SERIES[0], alpha=0.8)
    log_scale(late, "y")
    late.set(title="Ticks", xlabel="begun late by (ms)", ylabel="ticks")
    if len(run.answers):
        answers.plot(run.answers[:, 0], 1000 * run.answers[:, 1], ".", color=SERIES[2], markersize=3)
    answers.set(title="Answers", xlabel="time (s)", ylabel="took (ms)")
    answers.set_ylim(bottom=0)
    return as_svg(figure, "Lateness of ticks and latency of the policy")


def _sureness(run: RobotRun) -> str:
    from matplotlib.figure import Figure

    labels = {"entropy": "entropy\n(nats)", "unsure": "expects to be off\n(tolerances)", "speed": "speed"}
    figure = Figure(figsize=(5.2 * ACROSS, 1.5 * len(labels)))
    for axes, (name, label), color in zip(
        figure.subplots(len(labels), 1, sharex=True), labels.items(), SERIES, strict=False
    ):
        axes.plot(run.seconds, run.series[name], color=color, linewidth=0.9)
        axes.set_ylabel(label)
        axes.set_ylim(0, 1.08 * axes.get_ylim()[1])  # above a line that hardly changes there is none
    axes.set_xlabel("time (s)")
    return as_svg(figure, "Entropy, expected error and speed over time")


def _reliability(run: RobotRun) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.4))
    axes = figure.add_subplot()
    _diagonal(axes, run)
    return as_svg(figure, "Real against expected error")


def _diagonal(axes: "Axes", run: RobotRun) -> None:
    names = [dimension["name"] for _, dimension in _predicted(run.head)]
    end = 0.0
    for i, name in enumerate(names):
        found = calibration(run.foretold[:, 0, i], run.foretold[:, 1, i])
        axes.plot(found.expected, found.actual, marker="o", markersize=3, color=SERIES[i % len(SERIES)], label=name)
        end = max(end, *found.expected, *found.actual)
    axes.plot([0, end], [0, end], color=MUTED, linewidth=1.0, linestyle="--", label="as expected")
    axes.set(xlabel="expected error (tolerances)", ylabel="real error (tolerances)")
    axes.legend()


def _answers(ticks: Sequence[Mapping[str, Any]], start_s: float) -> np.ndarray:
    asked = {line["out"]["request"]["sequence"]: line["in"]["now_s"] for line in ticks if line["out"]["request"]}
    came = [(line["in"]["now_s"], chunk["sequence"]) for line in ticks for chunk in line["in"]["chunks"]]
    return np.array([(s - start_s, s - asked[n]) for s, n in came if n in asked]).reshape(-1, 2)


def _foretold(
    head: Mapping[str, Any], ticks: Sequence[Mapping[str, Any]], times_s: np.ndarray, measured: np.ndarray
) -> np.ndarray:
    """Return (K, 2, M): what the policy expected to be off, and was off, from what a person did in the shadow mode.

    M action dimensions are predicted; the others never moved in the recordings. A step is compared with where the robot
    stood one period later: that is where the step was to bring it. Committed steps are left out: none was chosen there.
    """
    columns, dimensions = zip(*_predicted(head), strict=True)
    columns, empty = list(columns), np.zeros((0, 2, len(dimensions)))
    if head["settings"]["mode"] != "shadow":
        return empty
    tolerances, period_s = np.array([d["tolerance"] for d in dimensions]), 1 / head["card"]["spec"]["rate_hz"]
    asked = [line["out"]["request"] for line in ticks if line["out"]["request"]]
    committed = {request["sequence"]: len(request["prefix"]) for request in asked}
    pairs = []
    for line in ticks:
        for chunk in line["in"]["chunks"]:
            if chunk["expected_error"] is None:
                continue
            at_s = chunk["observed_s"] + period_s * np.arange(1, len(chunk["actions"]) + 1)
            known = (at_s <= times_s[-1]) & (np.arange(len(at_s)) >= committed.get(chunk["sequence"], 0))
            places = np.minimum(np.searchsorted(times_s, at_s[known]), len(times_s) - 1)
            off = np.abs(np.array(chunk["actions"])[known] - measured[places])[:, columns] / tolerances
            expected = np.array(chunk["expected_error"])[known][:, columns] / tolerances
            both = np.stack([expected, off], axis=1)
            pairs.append(both[np.isfinite(both).all(axis=(1, 2))])
    return np.concatenate(pairs) if pairs else empty


def _predicted(head: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """Return number and description of the action dimensions that are predicted."""
    return [(i, d) for i, d in enumerate(head["card"]["spec"]["dimensions"]) if d.get("constant") is None]


def _matrix(rows: Sequence[Sequence[float] | None], size: int) -> np.ndarray:
    return np.array([[np.nan] * size if row is None else row for row in rows], np.float64).reshape(-1, size)


def _column(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], np.float64)
