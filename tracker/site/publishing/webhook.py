"""Messages to a URL by POST: a JSON object `{"schema": 1, "messages": [...]}` of up to a hundred, signed.

With a secret, `X-Tracker-Signature: sha256=HEX` is the HMAC-SHA256 (RFC 2104) of `X-Tracker-Timestamp` (Unix seconds),
a full stop and the body, so that the receiver knows who sent it and that it is not an old one sent again.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import ssl
import time
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from tracker.errors import UsageError
from tracker.site.messages.message import VERSION, Message
from tracker.site.publishing.address import CONNECTS_WITHIN_S, Endpoint, Refused, Unreachable
from tracker.system.extras import extra

_READS = 64 << 10  # bytes of an answer; what is told by more, or takes longer, does not matter
_WILL_NOT = (400, 410, 413, 415, 422)  # statuses that say it is the message that is wrong, not the moment


class Webhook:
    """A URL.

    Args:
        url: with all its secrets. secret: to sign with; None: not signed. trusted: None: without TLS.
        timeout_s: that it may take to answer: it gets the same once more after it, with the same ids.

    Raises:
        UsageError: a URL with signs that cannot be in one. MissingExtraError: httpx is not installed.
    """

    def __init__(
        self, url: str, address: Endpoint, secret: bytes | None, trusted: ssl.SSLContext | None, timeout_s: float
    ) -> None:
        self._httpx = extra("httpx", "publish")
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell the URL, secrets and all, of each request
        self._secret, self._timeout_s = secret, timeout_s
        parts = urlsplit(url)
        self._url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        try:
            self._httpx.URL(self._url)
        except self._httpx.InvalidURL:
            raise UsageError(f"{address.shown} is no address; give https://HOST/HOOK") from None
        login = None if address.user is None else (address.user, address.password or "")
        self._client = self._httpx.Client(
            timeout=self._httpx.Timeout(timeout_s, connect=CONNECTS_WITHIN_S),
            follow_redirects=False,
            verify=True if trusted is None else trusted,
            auth=login,
        )

    def deliver(self, messages: Sequence[Message]) -> None:
        """Post; delivered is what is answered with a status of 200 to 299."""
        body = f'{{"schema":{VERSION},"messages":[{",".join(message.body for message in messages)}]}}'.encode()
        headers = {"Content-Type": "application/json"}
        if self._secret is not None:
            headers["X-Tracker-Timestamp"] = now = str(int(time.time()))
            headers["X-Tracker-Signature"] = "sha256=" + signature(self._secret, now, body)
        try:
            status = self._posted(body, headers)
        except self._httpx.ReadTimeout:
            raise Unreachable(f"it does not answer within {self._timeout_s:g} s") from None
        except self._httpx.TransportError as error:
            raise Unreachable(str(error) or "it does not answer") from None
        if status in _WILL_NOT:
            raise Refused(f"it answers {status}")
        if not 200 <= status < 300:
            raise Unreachable(f"it answers {status}")

    def _posted(self, body: bytes, headers: dict[str, str]) -> int:
        """The status of the answer. The rest of it is read so that the connection can be used again, within bounds."""
        with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
            end_s, size = time.monotonic() + CONNECTS_WITHIN_S, 0
            try:
                for part in answer.iter_raw():
                    size += len(part)
                    if size > _READS or time.monotonic() > end_s:
                        break
            except self._httpx.TransportError:
                pass  # the status was said
            return int(answer.status_code)

    def close(self) -> None:
        """Nothing stays open that would matter."""


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """What the receiver works out, too, and compares: 64 hexadecimal digits."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
