"""dist2-validate: everything about a dataset that could spoil a training."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from dist2_robot.cli.app import run_command
from dist2_robot.data.audit.audit import Audit, audit
from dist2_robot.data.audit.mend import mend
from dist2_robot.evaluation.audit_page import write_audit_page
from dist2_robot.json_file import write_json
from dist2_robot.progress import progress_bar

ABOUT = """
Look for all that could spoil a training: broken files, rows out of order, times that are off, NaN, wrong statistics,
actions beyond their limits, jumps, episodes that occur twice, videos that cannot be decoded. Tells file, episode and
frame; exit code 1 where there is an error.

  dist2-validate dataset.root=data/push
  dist2-validate dataset.root=my_teleoperated_data output=validation     # also a page with histograms
  dist2-validate dataset.root=my_teleoperated_data fix=data/sound        # what is sound of it, as a new dataset
"""


def validate(config: dict[str, Any]) -> int:
    """Dataset, checks, findings."""
    found = audit(Path(config["dataset"]["root"]), lambda checks: progress_bar(checks, desc="validate", unit="check"))
    print(format_audit(found))
    if config["output"]:
        output = Path(config["output"])
        output.mkdir(parents=True, exist_ok=True)
        findings = [asdict(finding) for finding in found.findings]
        content = {"kind": "validation", "dataset": config["dataset"]["root"], "findings": findings}
        write_json(output / "validation.json", content)
        page = write_audit_page(found, output / "validation.html", config["bins"])
        print(f"page: {page}; findings: {output / 'validation.json'}")
    if config["fix"]:
        left_out = mend(found, Path(config["fix"]))
        for camera, reason in left_out.cameras.items():
            print(f"left out: {camera} ({reason})")
        for number, reasons in left_out.episodes.items():
            print(f"left out episode {number}: {'; '.join(reasons)}")
        print(
            f"{found.contents.folder.info['total_episodes'] - len(left_out.episodes)} sound episodes: {config['fix']}"
        )
    return 1 if found.of("error") else 0


def format_audit(found: Audit) -> str:
    """Return the findings as text, one a line, errors first."""
    contents = found.contents
    lines = [f"{contents.folder.root}: {contents.folder.info['total_episodes']} episodes, {len(contents)} frames"]
    for finding in found.findings:
        more = f" (and {finding.count - 1} more)" if finding.count > 1 else ""
        lines.append(f"{finding.severity + ':':<9}{finding.check}: {finding.place}: {finding.message}{more}")
    counts = [f"{len(found.of(severity))} {severity}s" for severity in ("error", "warning", "note")]
    return "\n".join([*lines, ", ".join(counts)])


def main() -> None:
    run_command("dist2-validate", "validate", ABOUT, validate)


if __name__ == "__main__":
    main()
