"""Where a policy server listens: ``unix:/path``, ``ws://host:port``, ``wss://host:port``."""

import ipaddress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

MAX_PATH_BYTES = 106  # of a Unix socket: the kernel takes 107, and it begins with a name that is one longer


@dataclass(frozen=True)
class Address:
    """Attributes:
    scheme: ``unix``, ``ws`` or ``wss`` (with TLS).
    path: Of a Unix socket.
    host: Of a websocket.
    port: Of a websocket; 0 lets the system choose.
    """

    scheme: Literal["unix", "ws", "wss"]
    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix:{self.path}"
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether no other machine can reach it."""
        if self.scheme == "unix" or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name, which may mean any machine
            return False


def parse_address(text: str) -> Address:
    """Return what a text means. Raises ValueError, in one line, where it is no address."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:").removeprefix("//")
        if not path.startswith("/") or len(path.encode()) > MAX_PATH_BYTES or "\0" in path:
            raise ValueError(f"'{text}' needs an absolute path of at most {MAX_PATH_BYTES} bytes: unix:/path")
        return Address("unix", path=path)
    wanted = f"'{text}' is no address: give unix:/path, ws://127.0.0.1:8765 or wss://host:port"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(wanted) from error
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password
    if parts.scheme not in ("ws", "wss") or not host or port is None or extra:
        raise ValueError(wanted)
    return Address("ws" if parts.scheme == "ws" else "wss", host=host, port=port)
