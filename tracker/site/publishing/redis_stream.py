"""Messages to a Redis stream: an entry each, with the fields `type`, `camera` and `message` (the JSON).

`redis://host:6379/0?stream=NAME`; the stream keeps about the last `LENGTH` entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs

from tracker.errors import UsageError
from tracker.site.messages.message import Message
from tracker.site.publishing.address import CONNECTS_WITHIN_S, Endpoint, Unreachable
from tracker.system.extras import extra

LENGTH = 100_000


class RedisStream:
    """A stream of a server's.

    Args:
        address: of the server. ca_file: authority of its certificate; empty: the system's.
        timeout_s: that it may take to acknowledge messages.

    Raises:
        UsageError: the path is no number of a database. MissingExtraError: redis is not installed.
    """

    def __init__(self, address: Endpoint, ca_file: str, timeout_s: float) -> None:
        self._redis = extra("redis", "publish")
        if address.path and not address.path.isdecimal():
            raise UsageError(f"{address.shown} has no database's number; give redis://HOST/0?stream=NAME")
        self._stream = parse_qs(address.query).get("stream", ["tracker"])[0]
        self._server = self._redis.Redis(
            host=address.host,
            port=address.port or 6379,
            db=int(address.path or 0),
            username=address.user or None,
            password=address.password,
            socket_timeout=timeout_s,
            socket_connect_timeout=CONNECTS_WITHIN_S,
            ssl=address.secure,
            **({"ssl_check_hostname": True} if address.secure else {}),
            **({"ssl_ca_certs": ca_file} if ca_file and address.secure else {}),
        )

    def deliver(self, messages: Sequence[Message]) -> None:
        """Append, all in one transaction."""
        pipeline = self._server.pipeline()
        for one in messages:
            entry = {"type": one.kind, "camera": one.camera, "message": one.body}
            pipeline.xadd(self._stream, entry, maxlen=LENGTH, approximate=True)
        try:
            pipeline.execute()
        except self._redis.RedisError as error:
            raise Unreachable(str(error).partition("\n")[0] or "it does not answer") from None

    def close(self) -> None:
        """Disconnect."""
        self._server.close()
