"""The objects of a run: when each was there, how far it went and how fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tracker.datasets.annotations import Annotations
from tracker.viewer.report.numbers.timeline import Ints, Reals

INTERVAL = 1.645  # standard deviations each way that hold 90 %


@dataclass(frozen=True, eq=False)
class Objects:
    """K objects, ordered by id; NaN where something is not known.

    Attributes:
        ids: (K,). classes: (K,) number of the class each was in the end.
        names: class number -> name.
        first_s, last_s: (K,) when it was first and last told of.
        frames: (K,) in how many frames it was told of. predicted: (K,) share of them in which it was not detected.
        path_px, path_m: (K,) how far it went, in pixels of the picture and on the ground.
        speed_m_s: (K,) median of its speeds. speed_std_m_s: (K,) median of their standard deviations: the speed of a
            single moment is within 1.645 of them with 90 %.
    """

    ids: Ints
    classes: Ints
    names: Mapping[int, str]
    first_s: Reals
    last_s: Reals
    frames: Ints
    predicted: Reals
    path_px: Reals
    path_m: Reals
    speed_m_s: Reals
    speed_std_m_s: Reals

    @classmethod
    def of(cls, annotations: Annotations, on_ground: Reals | None, summary: Mapping[str, Reals]) -> Objects:
        """The objects in rows, with (R, 4) of them on the ground and what is known of their paths."""
        order = np.lexsort((annotations.frames, annotations.ids))
        rows = annotations[order]
        ids, first, frames = np.unique(rows.ids, return_index=True, return_counts=True)
        last = first + frames - 1
        nothing = np.full((len(rows), 4), np.nan)
        ground = nothing if on_ground is None else on_ground[order]
        times = annotations.times_s
        return cls(
            ids=ids,
            classes=rows.classes[last],
            names=annotations.names,
            first_s=times[rows.frames[first] - 1],
            last_s=times[rows.frames[last] - 1],
            frames=frames,
            predicted=np.add.reduceat(rows.occluded, first) / frames if len(ids) else np.zeros(0),
            path_px=_by_id(ids, summary, "path_px"),
            path_m=_by_id(ids, summary, "path_m"),
            speed_m_s=medians(rows.ids, ground[:, 2], ids),
            speed_std_m_s=medians(rows.ids, ground[:, 3], ids),
        )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def seconds(self) -> Reals:
        """(K,) between the first and the last sight of each."""
        return self.last_s - self.first_s

    @property
    def class_order(self) -> list[int]:
        """Numbers of the classes that are there, those with most objects first."""
        numbers, counts = np.unique(self.classes, return_counts=True)
        of = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        return sorted(of, key=lambda number: (-of[number], self.name(number), number))

    def name(self, number: int) -> str:
        """That of a class."""
        return self.names.get(number, str(number))


def medians(groups: Ints, values: Reals, wanted: Ints) -> Reals:
    """(K,) median of those of the values (N,) that are numbers, of each wanted group (K,), ordered; NaN of none."""
    known = np.isfinite(values)
    groups, values = groups[known], values[known]
    order = np.lexsort((values, groups))
    groups, values = groups[order], values[order]
    begin, end = (np.searchsorted(groups, wanted, side) for side in ("left", "right"))
    found = np.full(len(wanted), np.nan)
    some = end > begin
    low, high = (begin + end - 1) // 2, (begin + end) // 2
    found[some] = (values[low[some]] + values[high[some]]) / 2
    return found


def _by_id(ids: Ints, summary: Mapping[str, Reals], name: str) -> Reals:
    """(K,) a column of `summary.csv`, in the order of ids (K,)."""
    found = np.full(len(ids), np.nan)
    if name not in summary:
        return found
    place = np.searchsorted(ids, summary["id"]).clip(0, max(0, len(ids) - 1))
    same = ids[place] == summary["id"] if len(ids) else np.zeros(len(place), bool)
    found[place[same]] = summary[name][same]
    return found
