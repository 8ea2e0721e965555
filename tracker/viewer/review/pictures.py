"""The frames of the video as JPEGs by their number: exact where a browser's own player only comes near.

One thread decodes. It answers the newest question first. Where it looks for a place anew it keeps the frames just
before the one that was asked for (they are decoded on the way to it, and are asked for by whoever steps back); where it
only goes on, those that are passed over are what somebody is faster than, and no time is lost with them. The last few
it holds as they were decoded: questions that a browser asks at once come in any order, and whoever stands still looks
closer at what is there. When nobody waits, it goes on ahead.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator

from tracker.errors import SourceError
from tracker.structures import Image
from tracker.system.images import jpeg
from tracker.video.recorded.seeking import FramesByNumber, Numbered

SMALL = 960  # pixels, the width that is enough as long as it moves
_BEFORE, _AHEAD = 16, 40  # frames kept on the way to one that is asked for, and after it
_SKIPPED = 24  # frames decoded on rather than looked for anew
_HELD = 8  # frames that are held as they were decoded: more than a browser asks for at once
_KEPT_BYTES = 192 << 20
_QUALITY = {False: 82, True: 92}  # small, whole
_PATIENCE_S = 60.0
_CLOSES_WITHIN_S = 2.0
_NOWHERE = -1  # no frame

Key = tuple[int, bool]  # frame, whole


class FramePictures:
    """JPEGs of a source's frames; for any number of threads.

    Args:
        frames: of the source.
    """

    def __init__(self, frames: FramesByNumber) -> None:
        self._frames = frames
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._bytes = 0
        self._wanted: OrderedDict[Key, int] = OrderedDict()  # key -> how many wait, the newest last
        self._missing: set[int] = set()
        self._held: OrderedDict[int, Callable[[], Image]] = OrderedDict()  # number -> picture, of the thread alone
        self._changed = threading.Condition()
        self._at = _NOWHERE  # the last frame that was read
        self._ahead = 0  # the last frame that is read without being asked for
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="frames", daemon=True)
        self._thread.start()

    def jpeg(self, number: int, whole: bool = False, urgent: bool = True) -> bytes | None:
        """A frame, waited for; None where the source has none of that number, or cannot be read so far.

        Args:
            whole: as large as it is, not `SMALL`. urgent: before all that others wait for, not after it.
        """
        key = number, whole
        with self._changed:
            if key not in self._kept:
                self._wanted[key] = self._wanted.pop(key, 0) + 1
                self._wanted.move_to_end(key, last=urgent)
                self._changed.notify_all()
                self._changed.wait_for(
                    lambda: key in self._kept or number in self._missing or self._closed, _PATIENCE_S
                )
                left = self._wanted.pop(key, 1) - 1
                if left:
                    self._wanted[key] = left
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def close(self) -> None:
        """No more: whoever waits gets nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(_CLOSES_WITHIN_S)

    def _run(self) -> None:
        reading: Iterator[Numbered] = iter(())
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._open() or _NOWHERE < self._at < self._ahead or self._closed)
                key = next(reversed(self._open()), None)
            target, before = self._at + 1 if key is None else key[0], 1
            if key is not None:
                if self._answer(target):
                    continue
                self._ahead = target + _AHEAD
                if not _NOWHERE < self._at < target <= self._at + _SKIPPED:
                    reading, before = self._frames.read(target), _BEFORE
            try:
                self._at = self._read(reading, target, before)
            except SourceError:
                self._at = _NOWHERE
            if self._at < target:  # it ended before
                self._at = _NOWHERE
            with self._changed:
                if not any((target, whole) in self._kept for whole in (False, True)):
                    self._missing.add(target)
                    self._changed.notify_all()

    def _open(self) -> list[Key]:
        """What is waited for and not there yet."""
        return [key for key in self._wanted if key not in self._kept and key[0] not in self._missing]

    def _answer(self, number: int) -> bool:
        """Whether a frame is held, and what is asked of it was answered."""
        image = self._held.get(number)
        if image is None:
            return False
        with self._changed:
            wholes = {whole for n, whole in self._open() if n == number}
        try:
            self._encode(number, image, wholes)
        except SourceError:
            return False
        return True

    def _read(self, reading: Iterator[Numbered], target: int, before: int) -> int:
        """Read up to a frame and keep so many up to it; returns how far it came. A newer question is not waited for:
        frames are near.
        """
        number = _NOWHERE
        for number, image in reading:
            with self._changed:
                wholes = {whole for n, whole in self._open() if n == number}
            if number > target - before:
                wholes.add(False)
            if self._frames.is_video:  # others are as near by their number
                self._held[number] = image
                if len(self._held) > _HELD:
                    self._held.popitem(last=False)
            self._encode(number, image, wholes)
            if number >= target or self._closed:
                break
        return number

    def _encode(self, number: int, image: Callable[[], Image], wholes: set[bool]) -> None:
        wholes = {whole for whole in wholes if (number, whole) not in self._kept}
        if wholes:
            picture = image()
            for whole in wholes:
                self._keep((number, whole), jpeg(picture, _QUALITY[whole], None if whole else SMALL))

    def _keep(self, key: Key, jpeg: bytes) -> None:
        with self._changed:
            self._kept[key] = jpeg
            self._bytes += len(jpeg)
            while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1])
            self._changed.notify_all()
