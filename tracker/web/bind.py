"""Where pages are served, who can ask there, and the token of who may."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from tracker.errors import ConfigError, UsageError
from tracker.system.files import first_line


def address(bind: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `:PORT` (this machine alone).

    >>> address("127.0.0.1:8080"), address(":8080"), address("[::1]:80")
    (('127.0.0.1', 8080), ('127.0.0.1', 8080), ('::1', 80))

    Raises:
        UsageError: it is none.
    """
    host, colon, port = bind.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or (":" in host and not host.startswith("[")):
        raise UsageError(f"{bind!r} is no address to serve at; give HOST:PORT, 127.0.0.1:8080 for this machine alone")
    return host.strip("[]") or "127.0.0.1", int(port)


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can ask there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(path: str) -> str | None:
    """The first line of a file; None where there is no file.

    Raises:
        ConfigError: it cannot be read, or what it says is too short to keep anybody out.
    """
    if not path:
        return None
    token = first_line(Path(path))
    if token is None:
        raise ConfigError(f"the token's file {path} cannot be read; write a token into its first line")
    if len(token) < 16:
        raise ConfigError(f"the token in {path} has fewer than 16 characters; make one: openssl rand -hex 24 > {path}")
    return token
