"""Weights & Biases beside the JSONL record: offline unless logged in, and never in the way of training."""

import logging
import netrc
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from dist2_robot.tracking.flat import flat_numbers

logger = logging.getLogger(__name__)

REACH_TIMEOUT_S = 5.0
FINISH_TIMEOUT_S = 60.0  # what is not uploaded by then lies in the folder, for `wandb sync`


class WandbTracker:
    """Logs nested records as ``kind/name``, pictures and pages. What wandb raises is warned of once, and work goes on.

    Args:
        folder: Where wandb keeps its files.
        project: As wandb shows it.
        name: Of the run, as wandb shows it.
        config: Of the run.
        job: What kind of run it is to wandb: train, evaluation, report.
        checkpoint: Finds the folder that is sent as an artifact at the end; None to send none.
        record: Where all of it stands without wandb, for the warning.
    """

    def __init__(
        self,
        folder: Path,
        project: str,
        name: str,
        config: Mapping[str, Any],
        *,
        job: str = "train",
        checkpoint: Callable[[], Path] | None = None,
        record: str = "metrics.jsonl",
    ) -> None:
        self._name, self._checkpoint, self._record = name, checkpoint, record
        self._run: Any = None
        self._is_on = self._has_warned = False
        try:
            import wandb

            settings = wandb.Settings(init_timeout=20, finish_timeout=FINISH_TIMEOUT_S, silent=True)
            folder.mkdir(parents=True, exist_ok=True)
            self._run = wandb.init(
                project=project,
                name=name,
                job_type=job,
                dir=str(folder),
                config=dict(config),
                settings=settings,
                mode=_mode(wandb.setup().settings.base_url),
            )
            self._is_on = True
        except Exception as error:  # wandb raises many kinds, none of which may stop a training
            self._warn("is off for this run", error)

    def log(self, record: Mapping[str, Any]) -> None:
        numbers = dict(flat_numbers(record["kind"], record))
        self._try("is off from here on", lambda run: run.log(numbers, step=record["step"]))

    def show_video(self, name: str, path: Path, step: int) -> None:
        """Show an MP4 file."""

        def show(run: Any) -> None:
            import wandb

            run.log({name: wandb.Video(str(path), format="mp4")}, step=step)

        self._try("is off from here on", show)

    def show_page(self, name: str, path: Path) -> None:
        """Show a self-contained HTML file."""

        def show(run: Any) -> None:
            import wandb

            run.log({name: wandb.Html(str(path))})

        self._try("is off from here on", show)

    def close(self) -> None:
        if self._checkpoint and self._is_on:
            self._try("got no checkpoint", self._send_checkpoint)
        self._is_on = self._run is not None  # what went wrong before, it must finish
        self._try("did not finish", lambda run: run.finish())

    def _send_checkpoint(self, run: Any) -> None:
        import wandb

        assert self._checkpoint is not None
        artifact = wandb.Artifact(_artifact_name(self._name), type="model")
        artifact.add_dir(str(self._checkpoint()))
        run.log_artifact(artifact)

    def _try(self, failing: str, call: Callable[[Any], object]) -> None:
        """Let a call use the run, unless it is off; after a call that fails it is."""
        if not self._is_on:
            return
        try:
            call(self._run)
        except Exception as error:
            self._warn(failing, error)
            self._is_on = False

    def _warn(self, failing: str, error: Exception) -> None:
        if not self._has_warned:
            logger.warning("wandb %s (%s); the record is in %s", failing, error, self._record)
        self._has_warned = True


def _artifact_name(name: str) -> str:
    """Return a name with nothing in it that wandb refuses."""
    return re.sub(r"[^\w.-]+", "-", name)[:128]


def _mode(server: str) -> Literal["offline"] | None:
    """Return ``offline`` where wandb would ask for a login, or wait for minutes for a server that does not answer."""
    if os.environ.get("WANDB_MODE", "online") != "online":
        return None  # as the user said
    if not _is_logged_in():
        return "offline"
    try:
        with urllib.request.urlopen(server, timeout=REACH_TIMEOUT_S):  # noqa: S310 - the user's own server
            return None
    except urllib.error.HTTPError:  # an answer
        return None
    except (OSError, ValueError) as error:
        logger.warning("wandb goes offline: %s does not answer (%s); upload later with `wandb sync`", server, error)
        return "offline"


def _is_logged_in() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return any("wandb" in host for host in netrc.netrc().hosts)
    except (OSError, netrc.NetrcParseError):
        return False
