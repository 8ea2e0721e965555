"""All that a page asks about a run: its frames, objects, events, mistakes, and what was corrected."""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.analytics.recorded_places import recorded_places
from tracker.boxes import xyxy_to_tlwh
from tracker.datasets.finished_run import FinishedRun
from tracker.datasets.mot import Table
from tracker.datasets.mot_classes import scored_truth
from tracker.errors import DataError, SourceError
from tracker.evaluation.mistakes import find_mistakes
from tracker.jobs.corrections.doubts import Doubt, doubts
from tracker.jobs.corrections.edits import Interpolate
from tracker.jobs.corrections.frames import repeated_frames
from tracker.jobs.replay import place_then
from tracker.motion.load import load_predictor
from tracker.motion.predictor import Predictor
from tracker.output.draw import PALETTE
from tracker.output.shapes import SURE, limbs
from tracker.video.recorded.seeking import FramesByNumber
from tracker.viewer.review.correcting import Corrections
from tracker.viewer.review.crops import ObjectCrops
from tracker.viewer.review.explaining import Explanations
from tracker.viewer.review.forecasting import forecast
from tracker.viewer.review.origins import Origins
from tracker.viewer.review.pictures import SMALL, FramePictures


class ReviewedRun:
    """A finished run that is looked at and corrected.

    Args:
        folder: of the run.
        truth: MOTChallenge's `gt.txt`, or a sequence that has one; None: there is none.
        preproc: as in `tracker.evaluation.tracking.score`.
        other: folder of another run of the same video: where the two disagree is doubtful.
        shared: other people look at it, too.

    Attributes:
        run: as it was read. corrections: of it. crops, explanations: of its objects.
        problem: why there are no pictures, in a sentence; empty where there are.

    Raises:
        DataError: no run, edits that do not fit it, no truth, or `other` is of another video.
    """

    def __init__(
        self,
        folder: Path,
        truth: Path | None = None,
        preproc: bool = True,
        other: Path | None = None,
        shared: bool = False,
    ) -> None:
        self.run = FinishedRun.read(folder)
        self._other = None if other is None else FinishedRun.read(other)
        if self._other is not None and not self.run.is_of_the_video_of(self._other):
            raise DataError(
                f"{other} is of {self._other.record['source']['given']}, and {folder} of "
                f"{self.run.record['source']['given']}; give as --other another run of the same video"
            )
        self._preproc = preproc
        self._truth = None if truth is None else scored_truth(truth / "gt" / "gt.txt" if truth.is_dir() else truth)
        self._doubting = threading.Lock()
        self.corrections = Corrections(self.run)
        self.problem, self._source, self._pictures = "", None, None
        try:
            if shared and self.run.record.get("blur"):
                raise SourceError("objects were hidden in this run (--blur), and the source shows them to all who ask")
            self._source = FramesByNumber(self._path(), self.run.annotations.times_s)
            self._pictures = FramePictures(self._source)
        except SourceError as error:
            self.problem = str(error)
        self.crops = ObjectCrops(folder, self._pictures)
        self.explanations = Explanations(folder)

    def _path(self) -> Path | list[Path]:
        given = self.run.given
        if isinstance(given, Path) and not given.exists():
            told = self.run.record["source"]["given"]
            raise SourceError(f"the source {told} is not there; put it back to see pictures")
        return given

    @property
    def video(self) -> Path | None:
        """The file that was tracked, where it is a video."""
        return self.run.source if self._source is not None and self._source.is_video else None

    def frame(self, number: int, whole: bool) -> bytes | None:
        """A frame as JPEG; None where there is no picture of it."""
        return None if self._pictures is None else self._pictures.jpeg(number, whole)

    def about(self) -> dict[str, Any]:
        """What does not change."""
        rows = self.run.annotations
        return {
            "name": self.run.folder.resolve().name,
            "source": str(self.run.record["source"]["given"]),
            "size": list(rows.size),
            "frames": rows.frame_count,
            "stride": self.run.step,
            "frames_per_s": rows.frames_per_s,
            "pictures": self._pictures is not None,
            "small": SMALL,
            "problem": self.problem,
            "remark": self._remark,
            "crops": self._pictures is not None or (self.run.folder / "crops").is_dir(),
            "video": self.video is not None,
            "masks": rows.columns.masks is not None,
            "skeleton": self._skeleton,
            "turned": rows.columns.corners is not None,
            "truth": self._truth is not None,
            "zones": self._zones,
            "colours": [f"#{red:02x}{green:02x}{blue:02x}" for blue, green, red in PALETTE],
        }

    def events(self) -> list[dict[str, Any]]:
        """What happened, with the ids of now; nothing of objects that are deleted."""
        origins = self.corrections.current().origins
        told = [{**event, "id": origins.now(event["id"], event["frame"])} for event in self._events]
        return [event for event in told if event["id"] is not None]

    def doubts(self) -> list[dict[str, Any]]:
        """What may be wrong, under the ids then and those of now, which are null where nothing is left; and whether it
        is settled.
        """
        with self._doubting:
            found = self._doubts
        origins = self.corrections.current().origins
        told = []
        for one in found:
            ids = [origins.now(track, one.frame) for track in one.ids]
            told.append({**one.to_dict(), "then": one.ids, "ids": ids, "settled": _settled(one, ids, origins)})
        return told

    def forecast(self, track: int, frame: int) -> dict[str, Any]:
        """Where an object, by its id of now, goes after a frame (`tracker.viewer.review.forecasting`).

        Raises:
            WeightsError: the run's motion network is not there any more.
        """
        return forecast(self.corrections.current().rows, track, frame, self._motion.fresh(), self._repeated)

    def mistakes(self) -> list[dict[str, Any]]:
        """Where the corrected run takes an object for another, or loses it."""
        if self._truth is None:
            return []
        rows = self.corrections.current().rows.by_frame
        table: Table = np.column_stack([rows.frames, rows.ids, xyxy_to_tlwh(rows.xyxy), rows.scores])
        return [{**vars(one), "switch": one.switch} for one in find_mistakes(self._truth, table, self._preproc)]

    def close(self) -> None:
        """Nothing is asked any more."""
        self.explanations.close()
        if self._pictures is not None:
            self._pictures.close()

    @property
    def _remark(self) -> str:
        """What to know before correcting anything, in a sentence; empty where there is nothing."""
        if self.corrections.refused:
            return self.corrections.refused
        if self.run.interrupted:
            return "this run has not ended; go on with it first (--resume), for corrections fit the tables of now alone"
        return ""

    @cached_property
    def _events(self) -> list[dict[str, Any]]:
        """Those that are as `track` writes them."""
        return [
            event
            for event in self.run.events
            if isinstance(event.get("id"), int) and isinstance(event.get("frame"), int)
        ]

    @cached_property
    def _doubts(self) -> list[Doubt]:
        return doubts(self.run, self._other)

    @cached_property
    def _repeated(self) -> NDArray[np.int64]:
        return repeated_frames(self.run)

    @cached_property
    def _motion(self) -> Predictor:
        """As the run had it; the embedded one where its record does not say."""
        config = self.run.record.get("config")
        motion = config.get("motion") if isinstance(config, dict) else None
        model = str(motion.get("model") or "") if isinstance(motion, dict) else ""
        return load_predictor(str(place_then(str(self.run.record.get("folder", "")), model)))

    @property
    def _skeleton(self) -> dict[str, Any] | None:
        """Which points are joined, and how sure one has to be to be drawn; None of a run without skeletons."""
        points = self.run.annotations.columns.keypoints
        return None if points is None else {"limbs": limbs(points.shape[1]), "sure": SURE}

    @cached_property
    def _zones(self) -> list[dict[str, Any]]:
        zones, _ = recorded_places(self.run)
        places = [
            {"name": p.name, "area": p.is_zone, "points": (p.points * self.run.size).tolist()} for p in zones.places
        ]
        ignored = [{"name": "", "area": True, "points": (points * self.run.size).tolist()} for points in zones.ignore]
        return places + ignored


def _settled(one: Doubt, ids: list[int | None], origins: Origins) -> bool:
    """Whether corrections have decided a doubt: a track is gone, two are one, ids change there, or the gap is filled.

    Args:
        ids: what its tracks are called now.
    """
    if None in ids or len(set(ids)) < len(ids) or any(origins.changes(track, one.frame) for track in one.ids):
        return True
    gaps = [edit for edit in one.edits if isinstance(edit, Interpolate)]
    return any(origins.drawn(now, gap.first, gap.last) for gap in gaps for now in ids if now is not None)
