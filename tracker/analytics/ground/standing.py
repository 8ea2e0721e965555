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
        name: of the stream. frame_size: width and height in pixels. moved: how it had moved before, (2, 3).

    Attributes:
        moved: (2, 3) how its picture has moved by now.
    """

    saved = ("moved",)
    rebuilt = ("_name", "_corners", "_most")

    def __init__(self, name: str, frame_size: tuple[int, int], moved: Affine | None = None) -> None:
        self._name = name
        width, height = frame_size
        self._corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
        self._most = _MOVED * float(np.hypot(width, height))
        self.moved = identity() if moved is None else moved

    def follow(self, motion: Affine, frame_number: int) -> None:
        """Take how the camera moved into a frame, (2, 3).

        Raises:
            SourceError: it has moved since the first frame, by more than 2 % of the frame's diagonal.
        """
        if is_identity(motion):
            return
        self.moved = composed(self.moved, motion)
        if not self.stands:
            raise SourceError(
                f"the camera of {self._name} has moved: at frame {frame_number} its picture is off by {self._off:.0f} "
                "pixels, and the ground of --camera is not where it was; calibrate it again from there, or leave out "
                "--camera"
            )

    @property
    def stands(self) -> bool:
        """Is it where it was, by now?"""
        return self._off <= self._most

    @property
    def _off(self) -> float:
        """Pixels by which the furthest corner of its picture is away."""
        away = self._corners @ self.moved[:, :2].T + self.moved[:, 2] - self._corners
        return float(np.linalg.norm(away, axis=1).max())
