"""Who is here: where visits begin and end, by the frames whose tracks are final."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from tracker.site.feed import Visit
from tracker.structures import Tracks


class Presence:
    """The visits of one camera.

    Args:
        ends_after_s: an object that is not reported for so long has left.
    """

    def __init__(self, ends_after_s: float) -> None:
        self._ends_after_s = ends_after_s
        self._here: dict[int, Visit] = {}

    @property
    def here(self) -> Mapping[int, Visit]:
        """Id -> visit of all who are here; a copy."""
        return dict(self._here)

    def update(self, tracks: Tracks) -> tuple[list[Visit], list[Visit]]:
        """Take the next frame's confirmed tracks; who came, and who has left."""
        time_s = tracks.time_s
        left = [visit for visit in self._here.values() if time_s - visit.last_s > self._ends_after_s]
        for visit in left:
            del self._here[visit.id]
        came = []
        columns = tracks.ids, tracks.classes, tracks.scores, tracks.xyxy
        for i, number, score, box in zip(*(column.tolist() for column in columns), strict=True):
            name = tracks.names.get(number, str(number))
            before = self._here.get(i)
            if before is None:
                visit = Visit(i, number, name, time_s, time_s, 1, tuple(box), score)
                came.append(visit)
            else:
                visit = replace(
                    before,
                    number=number,
                    name=name,
                    last_s=time_s,
                    frames=before.frames + 1,
                    box=tuple(box),
                    score=score,
                )
            self._here[i] = visit
        return came, left

    def to_list(self) -> list[dict[str, Any]]:
        """Plain values, for JSON."""
        return [asdict(visit) for visit in self._here.values()]

    def go_on(self, visits: Iterable[Mapping[str, Any]]) -> None:
        """Take over what `to_list` gave."""
        for values in visits:
            visit = Visit(**{**values, "box": tuple(values["box"])})
            self._here[visit.id] = visit
