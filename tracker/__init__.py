"""Tracks of everything a video shows: where each object is in every frame, where it will be next, which is which.

>>> from tracker import Tracker, Detections
>>> tracker = Tracker()
>>> for step in range(3):
...     tracks = tracker.update(None, detections=Detections([[10 + step, 20, 50 + step, 100]]), time_s=step / 30)
>>> tracks.ids.tolist()
[1]

Names are loaded when they are first used, so that `import tracker` and `track --help` cost nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tracker.system.version import __version__

if TYPE_CHECKING:
    from tracker.analytics.events import Events
    from tracker.analytics.ground.motion import GroundMotion
    from tracker.analytics.ground.plane import GroundPlane
    from tracker.analytics.history import TrackHistory
    from tracker.analytics.zones import Zones
    from tracker.appearance.gallery import Gallery
    from tracker.association.stages import Decision
    from tracker.columns.masks import Masks
    from tracker.config import Config
    from tracker.output.blur import Blur
    from tracker.site.supervisor import Site
    from tracker.structures import Detections, Forecast, Status, Tracks
    from tracker.tracker import Tracker
    from tracker.video.source import open_source

__all__ = [
    "Blur",
    "Config",
    "Decision",
    "Detections",
    "Events",
    "Forecast",
    "Gallery",
    "GroundMotion",
    "GroundPlane",
    "Masks",
    "Site",
    "Status",
    "TrackHistory",
    "Tracker",
    "Tracks",
    "Zones",
    "__version__",
    "open_source",
]

_HOME = {
    "Blur": "tracker.output.blur",
    "Config": "tracker.config",
    "Decision": "tracker.association.stages",
    "Detections": "tracker.structures",
    "Events": "tracker.analytics.events",
    "Forecast": "tracker.structures",
    "Gallery": "tracker.appearance.gallery",
    "GroundMotion": "tracker.analytics.ground.motion",
    "GroundPlane": "tracker.analytics.ground.plane",
    "Masks": "tracker.columns.masks",
    "Site": "tracker.site.supervisor",
    "Status": "tracker.structures",
    "TrackHistory": "tracker.analytics.history",
    "Tracks": "tracker.structures",
    "Zones": "tracker.analytics.zones",
    "Tracker": "tracker.tracker",
    "open_source": "tracker.video.source",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tracker' has no attribute {name!r}")
    from tracker.system.extras import system_libraries

    with system_libraries():
        return getattr(importlib.import_module(_HOME[name]), name)
