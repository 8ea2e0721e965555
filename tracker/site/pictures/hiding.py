"""Objects made unreadable in a camera's pictures before anybody gets them: those that are shown, and those recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tracker.jobs.result_files import Held, HeldFrames
from tracker.output.blur import of_what_is_looked_for, places
from tracker.structures import Detections, Image, Tracks
from tracker.video.source import Frame


class Hiding:
    """Hides in copies: a camera's frames belong to its tracker, and to the code that they come from.

    What is shown is shown at once: the last picture that the detector looked at. What is recorded waits until its
    tracks are final, and lacks also what is found a moment later only.

    Args:
        classes: what is hidden, as of `Blur`; empty: nothing.
        looked_for: names or numbers of the classes that the detector looks for; empty: all.
        names: class number -> name.
        recorded: whether pictures are recorded.

    Raises:
        UsageError: a class that is not known or not looked for.

    Attributes:
        waits: whether what is recorded has to wait for that; else it may be as it comes.
    """

    def __init__(
        self, classes: Sequence[str], looked_for: Sequence[str], names: Mapping[int, str], recorded: bool
    ) -> None:
        self._at_once, self._late = (of_what_is_looked_for(classes, looked_for, names) for _ in range(2))
        self._shown: Image | None = None
        self.waits = recorded and self._late is not None
        self.begin()

    def begin(self) -> None:
        """Frames that were held are not released any more."""
        self._held = HeldFrames(self.waits, self._late)

    def shown(self, frame: Frame, tracks: Tracks, found: Detections | None) -> Image:
        """What may be seen now: (H, W, 3) BGR, of this frame or one before that was looked at; black where none was.

        Args:
            tracks: all of it, also those that are not confirmed. found: all that was detected; None: nobody looked.
        """
        if self._at_once is None:
            return frame.image
        if found is not None:
            image = frame.image.copy()
            self._at_once(image, tracks, found, time_s=frame.time_s)
            self._shown = image
        return np.zeros_like(frame.image) if self._shown is None else self._shown

    def hold(self, frame: Frame, found: Detections | None) -> Held:
        """A frame and what was found in it, to wait; without its picture, unless that is recorded."""
        if self.waits and not frame.repeated:
            frame = replace(frame, image=frame.image.copy())
        return self._held.hold(frame, None if found is None else places(found))

    def release(self, held: Held, tracks: Tracks) -> Frame:
        """The frame that has waited, as it may be recorded.

        Args:
            tracks: of it, final.
        """
        frame = self._held.release(held)
        if self.waits and self._late is not None and not frame.repeated:  # a repeated one has the picture before it
            self._late(frame.image, tracks, held.found, time_s=frame.time_s, soon=held.soon)
        return frame
