"""The lines, zones and ground of a run, as its record has them."""

from __future__ import annotations

from tracker.analytics.ground.plane import GroundPlane
from tracker.analytics.zones import Zones
from tracker.datasets.finished_run import FinishedRun
from tracker.errors import ConfigError, DataError


def recorded_places(run: FinishedRun) -> tuple[Zones, GroundPlane | None]:
    """In the run's picture; nothing has happened there yet.

    Raises:
        DataError: they are not as `track` writes them.
    """
    path = run.folder / "run.yaml"
    try:
        zones = Zones.parsed(run.record.get("zones") or {}, str(path)).fitted(run.size)
        camera = run.record.get("camera")
        return zones, None if camera is None else GroundPlane.parsed(camera).fitted(run.size)
    except (ConfigError, ValueError) as error:
        raise DataError(f"{path} is not as `track` writes it ({error}); run `track` again") from error
