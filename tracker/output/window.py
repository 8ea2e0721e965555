"""A window that shows the frames while they are tracked."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import cv2

from tracker.errors import UsageError
from tracker.structures import Tracks

if TYPE_CHECKING:
    from tracker.video.source import Frame

_KEYS_TO_CLOSE = (27, ord("q"))  # Escape, Q
_PROBE = "import cv2; cv2.namedWindow('tracker'); cv2.destroyAllWindows()"


def require_windows() -> None:
    """
    Raises:
        UsageError: there is no display, or OpenCV was built without windows.
    """
    # Without a display OpenCV's window library ends the process: try in another one.
    if subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, check=False).returncode:
        raise UsageError("no window can be opened here; leave out --show and look at the video that is written")


class Window:
    """Shows each frame; a writer that leaves nothing.

    Attributes:
        closed: the user has closed the window, or pressed Q or Escape.
    """

    def __init__(self, title: str) -> None:
        self.closed = False
        self._title = title
        self._opened = False

    def write(self, frame: Frame, tracks: Tracks) -> None:  # noqa: ARG002 - what is drawn is in the image already
        """Show the frame, unless the window was closed."""
        if self.closed:
            return
        if not self._opened:
            cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
            cv2.resizeWindow(self._title, min(1280, frame.image.shape[1]), min(720, frame.image.shape[0]))
            self._opened = True
        cv2.imshow(self._title, frame.image)
        pressed = cv2.waitKey(1) & 0xFF
        self.closed = pressed in _KEYS_TO_CLOSE or cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1

    def close(self) -> None:
        """Close the window."""
        if self._opened:
            cv2.destroyAllWindows()
