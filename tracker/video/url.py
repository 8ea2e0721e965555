"""URLs: what may be shown of them, and files behind a server that cannot seek."""

from __future__ import annotations

import base64
import os
import re
import shutil
import tempfile
import time
from email.message import Message
from threading import Event
from typing import IO
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tracker.errors import SourceError

SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "udp", "tcp")
SILENCE_S = 5.0  # seconds without an answer after which a server counts as dead

LARGEST_DOWNLOAD = 20 << 30  # bytes; and no more than the disk has to spare
SPARE_BYTES = 1 << 30  # what a download leaves free
SLOWEST = 1024.0  # bytes/s, on average once the first `PATIENCE_S` are over
PATIENCE_S = 30.0

_SECRET = re.compile(r"(pass\w*|pwd|pw|\w*token|\w*key|\w*secret|sig\w*|auth)=[^&;/]*", re.IGNORECASE)
_LOGIN = re.compile(r"\s*(?![a-z]:[\\/])((//)?[^/:@]*:.+|//[^/:@]+)@[^/@]", re.IGNORECASE | re.DOTALL)
_PORT = re.compile(r"\s*(//)?[^/:@]{2,}:[0-9]{2,5}([/?]|$)")
_SCHEME = re.compile(r"\s*([a-z][a-z0-9+.-]+):(//?)", re.IGNORECASE)  # one letter would be a Windows drive


def is_url(source: str) -> bool:
    """Whether a text is meant as a URL; with one slash (what `Path` makes of two) it may hold a password too."""
    found = _SCHEME.match(source)
    return found is not None and (found[2] == "//" or found[1].lower() in SCHEMES or "@" in source)


def scheme(url: str) -> str:
    found = _SCHEME.match(url)
    return found[1].lower() if found else ""


def has_one_slash(url: str) -> bool:
    found = _SCHEME.match(url)
    return found is not None and found[2] == "/"


def lacks_scheme(source: str) -> bool:
    """Whether a text is meant as a URL without its protocol: with a login or a port, and no file of that name.

    >>> lacks_scheme("bob:secret@10.0.0.7/live"), lacks_scheme("10.0.0.7:554/live"), lacks_scheme("clips/a:1.mp4")
    (True, True, False)
    """
    return _has_login(source) or (_PORT.match(source) is not None and not os.path.lexists(source))


def shown(source: str) -> str:
    """What may be shown of a source or a word of a command: a URL, with or without its protocol, without its secrets.

    >>> shown("bob:secret@10.0.0.7/live"), shown("clips/a.mp4")
    ('bob:***@10.0.0.7/live', 'clips/a.mp4')
    """
    return redacted(source) if is_url(source) or _has_login(source) else source


def _has_login(source: str) -> bool:
    """Whether a password or a token stands before a host where no protocol does."""
    return _LOGIN.match(source) is not None and not is_url(source) and not os.path.lexists(source)


def redacted(url: str) -> str:
    """The URL without secrets: `user:***@`, no query, and `password=***` where a camera has it in its path.

    A user without a password may be a token, and is not shown either.

    >>> redacted("rtsp://bob:secret@10.0.0.7:554/live?token=1")
    'rtsp://bob:***@10.0.0.7:554/live?...'
    >>> redacted("https://ghp_16C7e42F@host/a.mp4")
    'https://***@host/a.mp4'
    """
    credentials, place = _credentials(url)
    user, _, password = credentials.partition(":")
    path, query, _ = place.partition("?")
    who = (f"{user}:***@" if password else "***@") if credentials else ""
    slashes = ":/" if has_one_slash(url) else "://"
    begin = scheme(url) + slashes if scheme(url) else "//" if url.lstrip().startswith("//") else ""
    return begin + who + _SECRET.sub(r"\1=***", path) + ("?..." if query else "")


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
    found = _SCHEME.match(url)
    rest = url[found.end() :] if found else url.lstrip().removeprefix("//")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if re.fullmatch(r"[^:@]*|\[[^]]*\](:[0-9]*)?", authority):
        return "", rest
    port_given = re.fullmatch(r"[^@]*:[0-9]*", authority) is not None and rest[len(authority) :][:1] in ("", "/")
    credentials, at, _ = (rest.partition("?")[0] if port_given else rest).rpartition("@")
    return credentials, rest[len(credentials) + len(at) :]


def fetch(url: str, stop: Event) -> IO[bytes]:
    """The whole of an HTTP file in a temporary file that vanishes when it is closed.

    Raises:
        OSError: the server or the disk failed, or the server sends next to nothing.
        SourceError: the file is larger than `LARGEST_DOWNLOAD` or than the disk can take.
    """
    credentials, place = _credentials(url)
    request = Request(f"{scheme(url)}://{place}", headers={"User-Agent": "tracker"})
    if credentials:
        request.add_header("Authorization", f"Basic {base64.b64encode(unquote(credentials).encode()).decode()}")
    limit = min(LARGEST_DOWNLOAD, shutil.disk_usage(tempfile.gettempdir()).free - SPARE_BYTES)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        with build_opener(_Redirects).open(request, timeout=SILENCE_S) as answer:
            begun, size = time.monotonic(), int(answer.headers.get("Content-Length") or 0)
            while size <= limit and not stop.is_set() and (part := answer.read1(1 << 20)):
                size = max(size, file.tell() + len(part))
                if size <= limit:
                    file.write(part)
                elapsed_s = time.monotonic() - begun
                if elapsed_s > PATIENCE_S and file.tell() < SLOWEST * elapsed_s:
                    raise TimeoutError(f"under {SLOWEST:g} bytes/s")
        if size > limit:
            raise SourceError(
                f"{redacted(url)} is larger than the {max(0, limit) / 1e9:.1f} GB that may be downloaded to "
                f"{tempfile.gettempdir()}; download it yourself and give the file"
            )
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


class _Redirects(HTTPRedirectHandler):
    """Follows a redirect, but tells the password only to the server that it is meant for."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        request = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        if request is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            request.remove_header("Authorization")
        return request
