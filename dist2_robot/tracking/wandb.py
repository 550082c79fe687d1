"""Weights & Biases beside the JSONL record: offline unless logged in, and never in the way of training."""

import logging
import netrc
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

logger = logging.getLogger(__name__)

REACH_TIMEOUT_S = 5.0
FINISH_TIMEOUT_S = 60.0  # what is not uploaded by then lies in the folder, for `wandb sync`


class WandbTracker:
    """Logs nested records as ``kind/name``. Whatever wandb raises is warned of once, and training goes on."""

    def __init__(self, folder: Path, project: str, name: str, config: Mapping[str, Any]) -> None:
        """Args: folder: Where wandb keeps its files. project, name: As wandb shows them. config: Of the run."""
        self._run = None
        try:
            import wandb

            settings = wandb.Settings(init_timeout=20, finish_timeout=FINISH_TIMEOUT_S, silent=True)
            folder.mkdir(parents=True, exist_ok=True)
            self._run = wandb.init(
                project=project,
                name=name,
                dir=str(folder),
                config=dict(config),
                settings=settings,
                mode=_mode(wandb.setup().settings.base_url),
            )
        except Exception as error:  # wandb raises many kinds, none of which may stop a training
            logger.warning("wandb is off for this run (%s); the record is in metrics.jsonl", error)

    def log(self, record: Mapping[str, Any]) -> None:
        if self._run is None:
            return
        try:
            self._run.log(dict(_flatten(record["kind"], record)), step=record["step"])
        except Exception as error:
            logger.warning("wandb is off from here on (%s); the record is in metrics.jsonl", error)
            self._run = None

    def close(self) -> None:
        if self._run is None:
            return
        try:
            self._run.finish()
        except Exception as error:
            logger.warning("wandb did not finish (%s); the record is in metrics.jsonl", error)


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


def _flatten(prefix: str, values: Mapping[str, Any]) -> list[tuple[str, float]]:
    flat: list[tuple[str, float]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat += _flatten(f"{prefix}/{key}", value)
        elif isinstance(value, int | float) and key != "step":
            flat.append((f"{prefix}/{key}", value))
    return flat
