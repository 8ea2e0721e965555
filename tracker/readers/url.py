"""URLs: what may be shown of them, and files behind a server that cannot seek."""

from __future__ import annotations

import base64
import re
import tempfile
from threading import Event
from typing import IO
from urllib.parse import unquote
from urllib.request import Request, urlopen

SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "udp", "tcp")
SILENCE_S = 5.0  # seconds without an answer after which a server counts as dead

_SECRET = re.compile(r"(pass\w*|pwd|token|key|secret|auth)=[^&;/]*", re.IGNORECASE)


def is_url(source: str) -> bool:
    return re.match("[a-z][a-z0-9+.-]*://", source, re.IGNORECASE) is not None


def scheme(url: str) -> str:
    return url.partition("://")[0].lower()


def redacted(url: str) -> str:
    """The URL without secrets: `user:***@`, no query, and `password=***` where a camera has it in its path.

    >>> redacted("rtsp://bob:secret@10.0.0.7:554/live?token=1")
    'rtsp://bob:***@10.0.0.7:554/live?...'
    """
    credentials, place = _credentials(url)
    user, colon, _ = credentials.partition(":")
    path, query, _ = place.partition("?")
    who = f"{user}{':***' if colon else ''}@" if credentials else ""
    return scheme(url) + "://" + who + _SECRET.sub(r"\1=***", path) + ("?..." if query else "")


def host(url: str) -> str:
    """The host's name or number, without user, password and port.

    >>> host("rtsp://bob:secret@10.0.0.7:554/live")
    '10.0.0.7'
    """
    found = re.match(r"\[([^]]*)\]|([^:/?#]*)", _credentials(url)[1])
    return "" if found is None else found[1] or found[2]


def _credentials(url: str) -> tuple[str, str]:
    """`user:password` and what follows it.

    People paste passwords unescaped, with "/", "?" or "@" inside, so they end at the last "@" that can be theirs:
    rather hide a piece of a path than show a piece of a password.

    >>> _credentials("rtsp://bob:s@c/r?t@10.0.0.7/live")
    ('bob:s@c/r?t', '10.0.0.7/live')
    >>> _credentials("http://10.0.0.7:8080/a.mp4?mail=me@home")
    ('', '10.0.0.7:8080/a.mp4?mail=me@home')
    """
    rest = url.partition("://")[2]
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if re.fullmatch(r"[^:@]*|\[[^]]*\](:[0-9]*)?", authority):
        return "", rest
    port_given = re.fullmatch(r"[^@]*:[0-9]*", authority) is not None
    credentials, at, _ = (rest.partition("?")[0] if port_given else rest).rpartition("@")
    return credentials, rest[len(credentials) + len(at) :]


def fetch(url: str, stop: Event) -> IO[bytes]:
    """The whole of an HTTP file in a temporary file that vanishes when it is closed.

    Raises:
        OSError: the server or the disk failed.
    """
    credentials, place = _credentials(url)
    request = Request(f"{scheme(url)}://{place}", headers={"User-Agent": "tracker"})
    if credentials:
        request.add_header("Authorization", f"Basic {base64.b64encode(unquote(credentials).encode()).decode()}")
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        with urlopen(request, timeout=SILENCE_S) as answer:
            while not stop.is_set() and (part := answer.read(1 << 20)):
                file.write(part)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file
