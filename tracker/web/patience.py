"""How long a connection may take: who asks nothing, or does not read, is hung up on, so that there is room for others.

Each connection costs a file descriptor, of which a process often has 1,024, and cameras and their files need some, too.
A connection is for one request at a time: who sent a hundred at once and read nothing would be answered for as long as
there is room for answers on the way, each of which would be a new beginning.
"""

from __future__ import annotations

import asyncio
import time

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_SOCKETS = 600  # beyond it a connection is ended at once
SLOWEST_S = 10.0  # to ask, and to read a part of the answer
_CHECKS = 2  # in that time


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP connection, with an end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As asyncio has it."""
        super().connection_made(transport)
        self._waits_since_s = time.monotonic()
        if len(self.connections) > MOST_SOCKETS:
            transport.abort()
        else:
            self._watch()

    def pause_writing(self) -> None:
        """More waits to be read than is kept."""
        super().pause_writing()
        self._waits_since_s = time.monotonic()

    def on_response_complete(self) -> None:
        """The next request is awaited; who sent it before the answer was there, as no browser does, reads too late."""
        self._waits_since_s = time.monotonic()
        if self.conn.their_state is h11.DONE and self.conn.trailing_data[0]:
            self.transport.close()
        super().on_response_complete()

    def _watch(self) -> None:
        if self not in self.connections:
            return
        asking = self.cycle is None or self.cycle.response_complete
        waits = asking or self.flow.write_paused or self.transport.is_closing()
        if waits and time.monotonic() - self._waits_since_s > SLOWEST_S:
            self.transport.abort()
        self.loop.call_later(SLOWEST_S / _CHECKS, self._watch)
