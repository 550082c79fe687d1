"""Who may connect to a policy server: a token, TLS, and a folder that nobody else can enter."""

import contextlib
import os
import socket
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dist2_robot.deploy.serving.addresses import Address
from dist2_robot.deploy.serving.schema import MAX_TOKEN_BYTES, TOKEN_VARIABLE
from dist2_robot.errors import InputError
from dist2_robot.files import read_bytes, regular

MIN_TOKEN_LETTERS = 16


@dataclass(frozen=True)
class Access:
    """Attributes:
    token: What a client must know; None where all who reach the address may connect.
    tls: Certificate and key of the server; None for no encryption.
    """

    token: str | None = None
    tls: ssl.SSLContext | None = None


def check_access(address: Address, access: Access) -> None:
    """Raise InputError where an address must not be served like this.

    Beyond this machine, only with a token and TLS: who reaches the port could otherwise ask the policy, and who listens
    could read the pictures and change the actions.
    """
    if address.scheme == "unix":
        if access.tls is not None:
            raise InputError(f"address={address}: a Unix socket has no TLS: leave tls.cert and tls.key away")
        return
    if not address.is_local and (access.token is None or access.tls is None):
        raise InputError(
            f"address={address} can be reached from other machines: give token_file= and tls.cert= and tls.key= "
            "(address=wss://...), or serve ws://127.0.0.1"
        )
    if (address.scheme == "wss") != (access.tls is not None):
        raise InputError(f"address={address}: wss:// goes with tls.cert= and tls.key=, ws:// without")


def read_token(token_file: Path | str | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the token of a file, else of the environment variable `TOKEN_VARIABLE`, else None.

    Never of the command line, which every user of a machine can read.

    Raises:
        InputError: The file cannot be read, or others may read it, or the token is too short to be one.
    """
    if token_file is not None:
        path, source = Path(token_file), f"token_file '{token_file}'"
        try:
            _check_private(path, source)
            token = read_bytes(path, MAX_TOKEN_BYTES + 2).decode("ascii").strip()
        except (OSError, ValueError) as error:
            raise InputError(f"{source} cannot be read: {' '.join(str(error).split())}") from error
    elif TOKEN_VARIABLE in environment:
        token, source = environment[TOKEN_VARIABLE].strip(), f"the variable {TOKEN_VARIABLE}"
    else:
        return None
    is_printable = token.isascii() and all("!" <= letter <= "~" for letter in token)
    if not is_printable or not MIN_TOKEN_LETTERS <= len(token) <= MAX_TOKEN_BYTES:
        raise InputError(
            f"{source} must hold {MIN_TOKEN_LETTERS} or more letters and digits without spaces, such as "
            "python -c 'import secrets; print(secrets.token_urlsafe())' prints"
        )
    return token


def server_tls(certificate: Path | str | None, key: Path | str | None) -> ssl.SSLContext | None:
    """Return the TLS of a server from files in PEM format, or None without them. Raises InputError for bad ones."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise InputError("tls.cert and tls.key go together: give both or neither")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        regular(Path(certificate))
        _check_private(Path(key), f"tls.key '{key}'")
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError, ssl.SSLError) as error:
        raise InputError(f"tls.cert '{certificate}' with tls.key '{key}' cannot be used: {error}") from error
    return context


def _check_private(path: Path, source: str) -> None:
    """Raise InputError where others than the owner may read or change a secret; ValueError for what is no file."""
    if stat.S_IMODE(regular(path).stat().st_mode) & 0o077:
        raise InputError(f"{source} may be read by others: chmod 600 '{path}'")


def bind_unix_socket(path: Path) -> socket.socket:
    """Return a socket at a path that only this user can reach: in a folder of mode 0700, which is made where missing.

    Raises:
        InputError: Others can enter the folder, something else has the path, or another server listens there.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = path.parent.stat()
    if stat.S_IMODE(folder.st_mode) & 0o077 or folder.st_uid != os.getuid():
        raise InputError(
            f"others can enter '{path.parent}': put the socket into a folder of your own (chmod 700), "
            f"e.g. address=unix:{path.parent / 'private' / path.name}"
        )
    if path.exists() or path.is_symlink():
        _remove_left_over(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    unfinished = path.with_name(f".{path.name}")
    try:
        unfinished.unlink(missing_ok=True)
        listening.bind(str(unfinished))
        unfinished.chmod(0o600)
        listening.listen()
        unfinished.rename(path)  # who sees it can connect
    except OSError as error:
        listening.close()
        raise InputError(f"'{path}' cannot be made a socket: {error}") from error
    return listening


def _remove_left_over(path: Path) -> None:
    """Remove the socket of a server that is gone."""
    if path.is_symlink() or not path.is_socket():
        raise InputError(f"'{path}' exists and is no socket: give another path")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as trial:
        trial.settimeout(1.0)
        try:
            trial.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"'{path}' is in use, or cannot be: {error}") from error
        else:
            raise InputError(f"another server listens at '{path}': end it, or give another path")


def _no_password() -> str:
    raise ssl.SSLError("the key has a password: give one without")
