"""What changes all the time: a camera's pictures, drawn and encoded once for all viewers, and what happens.

Nothing here can hold up a camera: pictures are taken from its newest frame, what happens from a subscription. A viewer
that is slow misses pictures.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from tracker.output.draw import Annotator
from tracker.site.feed import CameraView, Moment, Subscription
from tracker.site.messages.message import news
from tracker.structures import Image
from tracker.system import images

WIDEST = 960  # pixels; larger pictures are made smaller
PER_S = 12.0  # pictures a second at most
_QUALITY = 80
_IDLE_S = 5.0  # without a viewer, after which nothing is drawn
_RECENT = 50  # things that happened lately, for who has just come
_WAITING = 200  # of them for one viewer, beyond which the oldest are left out

_log = logging.getLogger("tracker.site")


class Pictures:
    """Pictures of one camera with its tracks, as JPEG.

    A thread draws while there are viewers, and ends a moment after the last has left. Its viewers wait in the server's
    event loop, however many they are.

    Args:
        camera: whose.

    Attributes:
        encoded: pictures since the start, for all viewers together.
        closed: there will be no more.
    """

    def __init__(self, camera: CameraView) -> None:
        self._camera = camera
        self._jpeg, self._number = b"", 0
        self._changed = asyncio.Event()
        self._wanted_s = 0.0  # monotonic, until when pictures are drawn
        self._thread: threading.Thread | None = None
        self.closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.encoded = 0

    async def next(self, after: int, timeout_s: float) -> tuple[int, bytes]:
        """A picture newer than that number, waited for so long, and its number; the last there is, if there is none.

        Args:
            after: 0: any that is no older than a moment.
        """
        self._loop = asyncio.get_running_loop()
        self._wanted_s = time.monotonic() + timeout_s + _IDLE_S
        if self._thread is None and not self.closed:
            after = max(after, self._number)  # what was drawn for earlier viewers is old
            self._thread = threading.Thread(
                target=self._run, args=(self._loop,), name=f"draw {self._camera.name}", daemon=True
            )
            self._thread.start()
        if self._number <= after and not self.closed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), timeout_s)
        self._wanted_s = time.monotonic() + _IDLE_S
        return self._number, self._jpeg

    def close(self) -> None:
        """No more pictures: whoever waits gets the last."""
        self.closed = True
        if self._loop is not None:
            _soon(self._loop, self._tell)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self._draw(loop)
        except Exception:
            _log.exception("%s: a picture cannot be shown", self._camera.name)
        finally:
            _soon(loop, self._rest)  # whoever asks next begins anew

    def _draw(self, loop: asyncio.AbstractEventLoop) -> None:
        annotator = Annotator(counted=self._camera.counted)
        last: Moment | None = None
        while not self.closed and time.monotonic() < self._wanted_s:
            moment = self._camera.wait(last, 0.5)
            if moment is None or moment.image is None:
                continue
            began_s, last = time.monotonic(), moment
            jpeg = _jpeg(annotator, moment, moment.image)
            _soon(loop, self._show, jpeg)
            time.sleep(max(0.0, began_s + 1 / PER_S - time.monotonic()))

    def _show(self, jpeg: bytes) -> None:
        self._jpeg, self._number = jpeg, self._number + 1
        self.encoded += 1
        self._tell()

    def _rest(self) -> None:
        self._thread = None

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _jpeg(annotator: Annotator, moment: Moment, image: Image) -> bytes:
    drawn = image.copy()
    annotator.draw(drawn, moment.tracks)
    return images.jpeg(drawn, _QUALITY, WIDEST)


class EventHub:
    """What happens at a site, for viewers that come and go: who came, who left, events of zones and lines.

    Args:
        subscription: its own; read in a thread.

    Attributes:
        viewers: how many listen.
    """

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._recent: deque[tuple[str, str]] = deque(maxlen=_RECENT)  # camera, JSON
        self._lock = threading.Lock()
        self._queues: dict[asyncio.Queue[str | None], tuple[str, asyncio.AbstractEventLoop]] = {}
        threading.Thread(target=self._run, name="events", daemon=True).start()

    @property
    def viewers(self) -> int:
        return len(self._queues)

    @contextlib.contextmanager
    def listening(self, camera: str = "") -> Iterator[asyncio.Queue[str | None]]:
        """A queue of messages (JSON) as they come, the last ones first; None: no more will.

        Args:
            camera: whose; empty: of all.
        """
        queue: asyncio.Queue[str | None] = asyncio.Queue(_WAITING)
        with self._lock:
            for name, body in self._recent:
                if camera in ("", name):
                    queue.put_nowait(body)
            self._queues[queue] = camera, asyncio.get_running_loop()
        try:
            yield queue
        finally:
            with self._lock:
                self._queues.pop(queue, None)

    def close(self) -> None:
        """All viewers are at the end."""
        self._tell("", None)

    def _run(self) -> None:
        for moment in self._subscription:
            for body in _told(moment):
                self._tell(moment.camera, body)

    def _tell(self, camera: str, body: str | None) -> None:
        with self._lock:
            if body is not None:
                self._recent.append((camera, body))
            for queue, (wanted, loop) in self._queues.items():
                if body is None or wanted in ("", camera):
                    _soon(loop, _put, queue, body)


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *given: Any) -> None:
    """Call it in the server's thread, unless the server has ended."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *given)


def _put(queue: asyncio.Queue[str | None], body: str | None) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(body)


def _told(moment: Moment) -> list[str]:
    # In ASCII: a line break could end an event
    return [json.dumps(json.loads(message.body)) for message in news(moment)]
