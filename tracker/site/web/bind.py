"""Where a site listens, and who can ask there."""

from __future__ import annotations

import ipaddress

from tracker.errors import UsageError


def address(bind: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `:PORT` (this machine alone).

    >>> address("127.0.0.1:8080"), address(":8080"), address("[::1]:80")
    (('127.0.0.1', 8080), ('127.0.0.1', 8080), ('::1', 80))

    Raises:
        UsageError: it is none.
    """
    host, colon, port = bind.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or (":" in host and not host.startswith("[")):
        raise UsageError(f"http.bind is {bind!r}; give HOST:PORT, 127.0.0.1:8080 for this machine alone")
    return host.strip("[]") or "127.0.0.1", int(port)


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can ask there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
