"""A policy in a process of its own, which the loop's process starts and ends.

``python -m dist2_robot.deploy.serving.policy_process`` is that process.
"""

import argparse
import contextlib
import logging
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from dist2_robot.deploy.forms.forms import load_inference
from dist2_robot.deploy.inference import PolicyCard
from dist2_robot.deploy.link import ChunkRequest, LinkError, TimedChunk
from dist2_robot.deploy.serving.addresses import Address
from dist2_robot.deploy.serving.server import PolicyServer, run_server
from dist2_robot.deploy.serving.socket_link import SocketLink
from dist2_robot.errors import InputError
from dist2_robot.printable import printable

_LOOK_EVERY_S = 0.05
_STOP_S = 2.0
_EXIT_CODE_S = 0.005  # of waiting, once, where the link is broken anyway


class PolicyProcess:
    """Implements `PolicyLink`: starts the process, waits for its card, and kills it at the end.

    It shares no signals of the terminal: Ctrl-C stops the robot first. It ends when this process does, however.

    Args:
        checkpoint: Folder of the policy.
        form: One of `forms.FORMS`.
        device: Where it computes.
        threads: Of its computing.
        timeout_s: Within which it must be ready.
        on_wait: Called every now and then with the seconds waited so far.

    Raises:
        LinkError: It ended before it was ready, and why, or was not ready in time.
    """

    def __init__(
        self,
        checkpoint: Path | str,
        form: str = "eager",
        device: str = "cpu",
        *,
        threads: int = 1,
        timeout_s: float = 120.0,
        on_wait: Callable[[float], None] | None = None,
    ) -> None:
        self._opened = contextlib.ExitStack()
        try:
            folder = Path(self._opened.enter_context(tempfile.TemporaryDirectory(prefix="dist2_policy_")))
            self._log = folder / "log"
            options = {"checkpoint": checkpoint, "form": form, "device": device, "threads": threads}
            self._process = self._start(folder / "socket", {name: str(value) for name, value in options.items()})
            self._link = self._wait(folder / "socket", timeout_s, on_wait)
        except BaseException:
            self._opened.close()
            raise

    @property
    def card(self) -> PolicyCard:
        return self._link.card

    @property
    def process_id(self) -> int:
        """Of the process."""
        return self._process.pid

    def request(self, request: ChunkRequest) -> None:
        try:
            self._link.request(request)
        except LinkError as error:
            raise self._explained(error) from error

    def poll(self) -> TimedChunk | None:
        try:
            return self._link.poll()
        except LinkError as error:
            raise self._explained(error) from error

    def close(self) -> None:
        self._opened.close()

    def _start(self, path: Path, options: dict[str, str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dist2_robot.deploy.serving.policy_process", "--socket", str(path)]
        for name, value in options.items():
            command.append(f"--{name}={value}")
        log = self._opened.enter_context(self._log.open("wb"))
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        self._opened.callback(_end, process)
        return process

    def _wait(self, path: Path, timeout_s: float, on_wait: Callable[[float], None] | None) -> SocketLink:
        begin_s = time.monotonic()
        while not path.exists():
            waited_s = time.monotonic() - begin_s
            if self._process.poll() is not None:
                raise LinkError(self._how_it_ended())
            if waited_s > timeout_s:
                raise LinkError(f"the policy process was not ready within {timeout_s:g} s; {self._last_line()}")
            if on_wait is not None:
                on_wait(waited_s)
            time.sleep(_LOOK_EVERY_S)
        link = SocketLink(f"unix:{path}", timeout_s=max(1.0, timeout_s - (time.monotonic() - begin_s)))
        self._opened.callback(link.close)
        return link

    def _explained(self, error: LinkError) -> LinkError:
        """Return the error, or how the process ended if that is known already: its socket closes a moment before."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_CODE_S)
            return LinkError(self._how_it_ended())
        return LinkError(f"the policy process: {error}")

    def _how_it_ended(self) -> str:
        code = self._process.returncode
        how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with code {code}"
        return f"the policy process {how}; {self._last_line()}"

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines() if self._log.exists() else []
        return f"the last it said: {lines[-1][:500]}" if lines else "it said nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process: by asking, then by force."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """Serve a policy at a Unix socket until standard input ends."""
    parser = argparse.ArgumentParser(description="The policy process of a control loop.")
    for name in ("socket", "checkpoint", "form", "device"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    torch.set_num_threads(options.threads)
    try:
        inference = load_inference(options.form, options.checkpoint, options.device)
        server = PolicyServer(inference, Address("unix", path=options.socket))
        code = run_server(server, on_ready=lambda _: None, until_stdin_ends=True)
    except InputError as error:
        print(printable(str(error)), file=sys.stderr)
        code = 2
    sys.exit(code)


if __name__ == "__main__":
    main()
