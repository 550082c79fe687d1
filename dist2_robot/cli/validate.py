"""dist2-validate: everything about a dataset that could spoil a training."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from dist2_robot.actions.spec_file import format_spec, read_spec_file
from dist2_robot.actions.told_spec import ToldSpec
from dist2_robot.cli.app import run_command
from dist2_robot.data.audit.audit import Audit, audit
from dist2_robot.data.audit.meaning import recorded_meaning
from dist2_robot.data.audit.mend import mend
from dist2_robot.errors import InputError
from dist2_robot.evaluation.audit_page import write_audit_page
from dist2_robot.files import write_text
from dist2_robot.json_file import write_json
from dist2_robot.progress import progress_bar

ABOUT = """
Look for all that could spoil a training: broken files, rows out of order, times that are off, NaN, wrong statistics,
actions beyond their limits, units that nobody tells, jumps, episodes that occur twice, videos that cannot be decoded.
Tells file, episode and frame; exit code 1 where there is an error.

  dist2-validate dataset.root=data/push
  dist2-validate dataset.root=my_teleoperated_data output=validation     # also a page with histograms
  dist2-validate dataset.root=my_teleoperated_data fix=data/sound        # what is sound of it, as a new dataset
  dist2-validate dataset.root=my_teleoperated_data write_spec=arm.yaml   # what its numbers mean: to look at, mend, and
  dist2-train dataset.root=my_teleoperated_data dataset.spec=arm.yaml    #   train with
"""

HEADING = """What the numbers of '{}' mean. Mend what is wrong, tell what is UNKNOWN (unit: deg, rad, m, '%', ...), and
train with dataset.spec=THIS_FILE. kind: joint, ee_position, ee_rotation or gripper (never averaged); tolerance: the
error that matters, in the unit; wraps: low and high are the same place. Entries and lines that you leave out come from
the recording. A unit for many at once: sed -i "s/unit: '?'/unit: rad/" THIS_FILE"""


def validate(config: dict[str, Any]) -> int:
    """Dataset, checks, findings."""
    root, spec, write, fix = (
        _path(name, value)
        for name, value in (
            *((f"dataset.{key}", config["dataset"][key]) for key in ("root", "spec")),
            *((key, config[key]) for key in ("write_spec", "fix")),
        )
    )
    assert root is not None
    if write is not None and write.exists() and (write.is_dir() or not config["overwrite"]):
        raise InputError(
            f"write_spec={write} exists: name another file{'' if write.is_dir() else ', or overwrite=true'}"
        )
    if fix is not None and fix.exists():
        raise InputError(f"fix={fix} exists: name a new folder")
    told = [read_spec_file(spec)] if spec else []
    found = audit(root, lambda checks: progress_bar(checks, desc="validate", unit="check"), told)
    print(format_audit(found))
    if write is not None:
        _write_spec(found, told, write)
    if config["output"]:
        output = Path(config["output"])
        output.mkdir(parents=True, exist_ok=True)
        findings = [asdict(finding) for finding in found.findings]
        content = {"kind": "validation", "dataset": str(root), "findings": findings}
        write_json(output / "validation.json", content)
        if not isinstance(config["bins"], int) or config["bins"] < 1:
            raise InputError(f"bins must be at least 1, got {config['bins']!r}")
        page = write_audit_page(found, output / "validation.html", config["bins"])
        print(f"page: {page}; findings: {output / 'validation.json'}")
    if fix is not None:
        left_out = mend(found, fix)
        if left_out.others:
            print(f"left out: {', '.join(left_out.others)} (neither observed nor actions)")
        for camera, reason in left_out.cameras.items():
            print(f"left out: {camera} ({reason})")
        for number, reasons in left_out.episodes.items():
            print(f"left out episode {number}: {'; '.join(reasons)}")
        print(f"{found.contents.folder.info['total_episodes'] - len(left_out.episodes)} sound episodes: {fix}")
    return 1 if found.of("error") else 0


def _path(name: str, value: Any) -> Path | None:
    """Return the path that an option names. Raises InputError for what is none."""
    if value is None or value == "":
        return None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise InputError(f"{name} must be one path, got {value!r}: for several datasets run it on each")
    return Path(str(value))


def _write_spec(found: Audit, told: list[ToldSpec], path: Path) -> None:
    """Write what is known of the numbers, each line with where it comes from."""
    recorded = recorded_meaning(found.contents, told)
    text = format_spec(recorded.action, recorded.observed, recorded.remarks, HEADING.format(found.contents.folder.root))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise InputError(f"write_spec={path} cannot be written ({error.strerror}): name another file") from error
    unknown = sum(len(names) for names in recorded.unknown.values())
    print(f"spec: {path}{f': the unit of {unknown} numbers is unknown, tell it there' if unknown else ''}")


def format_audit(found: Audit) -> str:
    """Return the findings as text, one a line, errors first."""
    contents = found.contents
    lines = [f"{contents.folder.root}: {contents.folder.info['total_episodes']} episodes, {len(contents)} frames"]
    for finding in found.findings:
        more = f" (and {finding.count - 1} more)" if finding.count > 1 else ""
        lines.append(f"{finding.severity + ':':<9}{finding.check}: {finding.place}: {finding.message}{more}")
    counts = [_count(len(found.of(severity)), severity) for severity in ("error", "warning", "note")]
    return "\n".join([*lines, ", ".join(counts)])


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def main() -> None:
    run_command("dist2-validate", "validate", ABOUT, validate)


if __name__ == "__main__":
    main()
