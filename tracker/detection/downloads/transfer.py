"""A file from an address: whole, from where it was asked for, or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit
from uuid import uuid4

from tracker.errors import WeightsError
from tracker.system.files import writing

_CHUNK = 1 << 20
_PATIENCE_S = 30.0  # of a connection on which nothing comes


def transfer(
    url: str,
    path: Path,
    *,
    hosts: Sequence[str] = (),
    digest: str = "",
    progress: Callable[[int, int], None] = lambda *_: None,
) -> None:
    """Write what `url` gives to `path`, at once when all of it is there; folders that are missing are made.

    Args:
        url: the address.
        path: the file; whatever stands there stays until the new one is whole.
        hosts: where its own host may send us on to; the scheme stays.
        digest: algorithm and hexadecimal hash of the file, "sha256:9f8...", or "" where none is known.
        progress: told bytes so far and bytes in all, 0 where the server does not say.

    Raises:
        WeightsError: no connection, an answer other than the file, a file cut short or of another hash, an address on
            another host. Nothing is kept of it.
        OutputError: `path` cannot be written.
    """
    algorithm, _, expected = digest.partition(":")
    hashing = hashlib.new(algorithm or "sha256")
    draft = path.with_name(f".{path.name}.{uuid4().hex}.part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("xb") as file, _answer(url, hosts) as answer:
                total, done = _length(answer, url), 0
                while chunk := _read(answer, url):
                    file.write(chunk)
                    hashing.update(chunk)
                    done += len(chunk)
                    progress(done, total)
            if done < total or not done:
                raise _failed(url, f"it broke off after {done} of {total} bytes")
            if expected and hashing.hexdigest() != expected:
                raise WeightsError(
                    f"what {url} gives is not the file that was published there ({algorithm} {hashing.hexdigest()}, "
                    f"not {expected}), and nothing of it was kept; run again, or get it from somebody you trust"
                )
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _answer(url: str, hosts: Sequence[str]) -> Iterator[HTTPResponse]:
    """The server's answer, whichever of the hosts it comes from."""
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity", "User-Agent": "lstm-tracker"})
    opener = urllib.request.build_opener(_OwnHosts((urlsplit(url).hostname or "", *hosts)))
    try:
        answer = opener.open(request, timeout=_PATIENCE_S)
    except urllib.error.HTTPError as error:
        error.close()
        raise _failed(url, f"the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _failed(url, str(getattr(error.reason, "strerror", None) or error.reason).lower()) from error
    except (OSError, HTTPException) as error:
        raise _failed(url, str(error) or type(error).__name__) from error
    with answer:
        yield answer


def _length(answer: HTTPResponse, url: str) -> int:
    """Bytes of the file, 0 where the server does not say."""
    said = answer.headers.get("Content-Length", "0")
    if not said.isdecimal():
        raise _failed(url, f"the server says that it has {said!r} bytes")
    return int(said)


def _read(answer: HTTPResponse, url: str) -> bytes:
    try:
        return answer.read(_CHUNK)
    except (OSError, HTTPException) as error:
        raise _failed(url, str(error) or type(error).__name__) from error


def _failed(url: str, reason: str) -> WeightsError:
    said = " ".join(reason.split())  # a server's words may have lines
    return WeightsError(
        f"{url} could not be downloaded ({said}), and nothing of it was kept; run again, or get the file yourself"
    )


class _OwnHosts(urllib.request.HTTPRedirectHandler):
    """Follows an address to the hosts that belong to it, and to no other."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = hosts

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        there = urlsplit(newurl)
        if there.hostname not in self._hosts or there.scheme != urlsplit(req.full_url).scheme:
            fp.close()
            raise _failed(req.full_url, f"it leads to {there.hostname}, which is not one of its own hosts")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
