"""Where a camera's tracks are on the ground, for as long as it stands where it was calibrated, over restarts, too."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from tracker.affine import Affine, identity
from tracker.analytics.ground.motion import GroundMotion, GroundStates
from tracker.analytics.ground.plane import FrameSize, GroundPlane
from tracker.analytics.ground.standing import StandingCamera
from tracker.errors import ConfigError, SourceError
from tracker.structures import Tracks

_MOVED = "it has moved since its camera.yaml was made, and metres are left out; calibrate it again and restart"


class Metres:
    """The ground of one camera.

    Args:
        plane: of its `camera.yaml`; None: it has none, and nothing is known.
    """

    def __init__(self, plane: GroundPlane | None) -> None:
        self._plane = plane
        self._moved = identity()
        self._standing: StandingCamera | None = None
        self._motion: GroundMotion | None = None
        self._size: FrameSize | None = None  # of the frames that `_motion` is for
        self._seen_size: FrameSize | None = None  # of those that `_standing` follows
        self._unfit = ""

    @property
    def problem(self) -> str:
        """Why nothing is told, in one sentence; "" where all is well or nothing was asked for."""
        return _MOVED if self._standing is not None and not self._standing.stands else self._unfit

    def follow(self, motion: Affine, size: FrameSize, number: int) -> None:
        """Take how the camera moved into a frame (2, 3) of (width, height); one that has moved tells nothing."""
        if self._plane is None:
            return
        if self._standing is None or size != self._seen_size:
            if self._seen_size is not None:
                self._moved[:, 2] *= np.divide(size, self._seen_size)
                motion = motion if self._standing is None else identity()  # another size is no motion
            self._standing, self._seen_size = StandingCamera("", size, self._moved), size
        with suppress(SourceError):
            self._standing.follow(motion, number)
        self._moved = self._standing.moved

    def update(self, tracks: Tracks, size: FrameSize) -> GroundStates | None:
        """Take the tracks of the next frame of (width, height); what is known of each, None: nothing of any."""
        if self._plane is None:
            return None
        if size != self._size:
            self._size, self._motion, self._unfit = size, None, ""
            try:
                self._motion = GroundMotion(self._plane.fitted(size))
            except ConfigError as error:
                self._unfit = f"metres are left out: {error}"
        return None if self._motion is None or self.problem else self._motion.update(tracks)

    def to_dict(self) -> dict[str, Any]:
        """How far it has moved and what it was calibrated as, for JSON."""
        if self._plane is None:
            return {}
        return {"moved": self._moved.tolist(), "size": self._seen_size, "plane": self._plane.to_dict()}

    def go_on(self, saved: Mapping[str, Any]) -> None:
        """Take over what `to_dict` gave, unless it was calibrated anew since."""
        if self._plane is not None and saved.get("plane") == self._plane.to_dict():
            self._moved = np.array(saved["moved"], np.float64).reshape(2, 3)
            self._seen_size = tuple(saved["size"]) if saved["size"] else None
