"""All checks of a dataset."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dist2_robot.actions.told_spec import ToldSpec
from dist2_robot.data.audit.contents import Contents, read_contents
from dist2_robot.data.audit.finding import Finding
from dist2_robot.data.audit.meaning import check_meaning
from dist2_robot.data.audit.numbers import check_constants, check_finite, check_jumps, check_limits, check_statistics
from dist2_robot.data.audit.structure import (
    check_counts,
    check_duplicates,
    check_episodes,
    check_order,
    check_tasks,
    check_times,
)
from dist2_robot.data.audit.videos import check_videos
from dist2_robot.data.folder import open_folder

CHECKS: tuple[Callable[[Contents], Iterator[Finding]], ...] = (
    *(check_counts, check_order, check_times, check_episodes, check_tasks, check_meaning),
    *(check_finite, check_limits, check_statistics, check_constants, check_jumps, check_duplicates, check_videos),
)


@dataclass(frozen=True)
class Audit:
    """Attributes: contents: What was read. findings: Errors first."""

    contents: Contents
    findings: tuple[Finding, ...]

    def of(self, severity: str) -> list[Finding]:
        """Return the findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]


def audit(root: Path, follow: Callable[[Iterable], Iterable] = iter, told: Sequence[ToldSpec] = ()) -> Audit:
    """Put a dataset to the test.

    Args:
        root: Its folder.
        follow: Wraps the checks as they are done, for a progress bar.
        told: What the user tells of the numbers.

    Raises:
        InputError: It is no dataset at all: its info.json is missing or makes no sense.
    """
    contents = read_contents(open_folder(root))
    contents.told = told
    findings = [*contents.findings]
    for check in follow(CHECKS):
        findings += check(contents)
    order = ("error", "warning", "note")
    return Audit(contents, tuple(sorted(findings, key=lambda finding: order.index(finding.severity))))
