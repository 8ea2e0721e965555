"""What a destination is: where its URL leads, how messages are handed to it, and what can go wrong."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from tracker.errors import ConfigError, TrackerError, UsageError
from tracker.site.config import PublishConfig
from tracker.site.messages.message import Message
from tracker.system.files import first_line
from tracker.video.url import shown

CONNECTS_WITHIN_S = 5.0  # else a destination counts as away
SCHEMES = ("mqtt", "mqtts", "https", "http", "redis", "rediss")


class Unreachable(TrackerError):
    """It is away for now: the same messages are tried again."""


class Refused(TrackerError):
    """It has answered that it will not have these messages: they are not sent again."""


class Destination(Protocol):
    """Takes messages; used by one thread."""

    def deliver(self, messages: Sequence[Message]) -> None:
        """Send messages in order, and return when all of them were acknowledged.

        Raises:
            Unreachable, Refused: they were not, and why.
        """

    def close(self) -> None:
        """Disconnect; it may be used again after it."""


@dataclass(frozen=True, repr=False)
class Endpoint:
    """A URL taken apart.

    Attributes:
        shown: without its secrets. host, port: None where the scheme's own is meant. path: without slashes around it.
        user, password: None: none. secure: is it by TLS?
    """

    shown: str
    scheme: str
    host: str
    port: int | None
    path: str
    query: str
    user: str | None
    password: str | None
    secure: bool

    @classmethod
    def of(cls, url: str) -> Endpoint:
        """Raises UsageError where it is none that can be published to."""
        try:
            parts: SplitResult = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if host is None or parts.scheme not in SCHEMES:
            raise UsageError(
                f"cannot publish to {shown(url)!r}; give mqtt://HOST/TOPIC, mqtts://HOST/TOPIC, https://HOST/HOOK or "
                "redis://HOST/DATABASE?stream=NAME"
            )
        user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
        secure = parts.scheme in ("mqtts", "https", "rediss")
        path = unquote(parts.path).strip("/")
        return cls(shown(url), parts.scheme, host, port, path, parts.query, user, password, secure)


def trusted(address: Endpoint, config: PublishConfig) -> ssl.SSLContext | None:
    """What certificates are checked with; None where there is no TLS.

    Raises:
        ConfigError: the file of authorities cannot be read.
    """
    if not address.secure:
        return None
    try:
        return ssl.create_default_context(cafile=config.ca_file or None)
    except (OSError, ssl.SSLError):
        raise ConfigError(f"publish.ca_file {config.ca_file} holds no certificate; give a PEM file") from None


def secret(path: str) -> bytes | None:
    """The first line of a file of secrets; None where there is none.

    Raises:
        ConfigError: it cannot be read, or its first line is empty.
    """
    if not path:
        return None
    line = first_line(Path(path))
    if not line:
        raise ConfigError(f"publish.secret_file {path} has no secret; write one into its first line")
    return line.encode()
