"""Whether a camera still stands as it was calibrated: how its picture moved is added up over the frames."""

from __future__ import annotations

import numpy as np

from tracker.affine import Affine, composed, identity, is_identity
from tracker.errors import SourceError
from tracker.system.snapshots.resumable import Resumable

_MOVED = 0.02  # of the frame's diagonal: by so much any corner of the picture may be away


class StandingCamera(Resumable):
    """One stream's camera, of which positions on the ground are to be told.

    Args:
        name: of the stream. frame_size: width and height in pixels.
    """

    saved = ("_moved",)
    rebuilt = ("_name", "_corners", "_most")

    def __init__(self, name: str, frame_size: tuple[int, int]) -> None:
        self._name = name
        width, height = frame_size
        self._corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
        self._most = _MOVED * float(np.hypot(width, height))
        self._moved = identity()

    def follow(self, motion: Affine, frame_number: int) -> None:
        """Take how the camera moved into a frame, (2, 3).

        Raises:
            SourceError: it has moved since the first frame, by more than 2 % of the frame's diagonal.
        """
        if is_identity(motion):
            return
        self._moved = composed(self._moved, motion)
        away = self._corners @ self._moved[:, :2].T + self._moved[:, 2] - self._corners
        furthest = float(np.linalg.norm(away, axis=1).max())
        if furthest > self._most:
            raise SourceError(
                f"the camera of {self._name} has moved: at frame {frame_number} its picture is off by {furthest:.0f} "
                "pixels, and the ground of --camera is not where it was; calibrate it again from there, or leave out "
                "--camera"
            )
