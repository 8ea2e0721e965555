"""What a caller hands to a tracker for one frame: a picture, detections, or what another library found."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracker.columns import foreign
from tracker.errors import InputError
from tracker.structures import Detections, Image, as_image


def as_input(frame: Any, detections: Any, look: bool = True) -> tuple[Image | None, Detections | None]:
    """What a tracker is given for one frame, in either order: other libraries take detections first.

    Detections may be what a known library gave (`columns/foreign.py`).

    Raises:
        InputError: neither of the two, something else than a frame, or other than `Detections`; masks of another
            size than the frame; detections where nothing is looked for, and may be neither.
    """
    frame, detections = _converted(frame), _converted(detections)
    if isinstance(frame, Detections) and not isinstance(detections, Detections):
        frame, detections = detections, frame
    if not look and detections is not None:
        raise InputError("update got look=False and detections; leave one of the two out")
    if isinstance(frame, list | tuple):
        raise InputError(
            f"update got a {type(frame).__name__} of {len(frame)} in the place of a frame; give one frame, or the "
            "results of one, and an update for each"
        )
    if look and frame is None and detections is None:
        raise InputError("update got neither a frame nor detections; give at least one")
    if isinstance(frame, np.ndarray) and frame.ndim == 2 and frame.shape[1] in (5, 6):
        raise InputError(
            f"frame is an array of shape {frame.shape}, rows of boxes as other trackers take them; give "
            f"update(frame, {foreign.how(frame)})"
        )
    if detections is not None and not isinstance(detections, Detections):
        raise InputError(f"detections is {type(detections).__name__}; give {foreign.how(detections)}")
    image = None if frame is None else as_image(frame)
    masks = None if detections is None else detections.masks
    if image is not None and masks is not None and len(masks) and masks.size != image.shape[:2]:
        raise InputError(
            f"masks has (H, W) {masks.size}, frame {image.shape[:2]}; bring the masks to the frame's size first"
        )
    return image, detections


def _converted(value: Any) -> Any:
    """The same, or `Detections` of what another library gave."""
    if value is None or isinstance(value, Detections | np.ndarray):
        return value
    fields = foreign.known(value)
    return value if fields is None else Detections(**fields)
