"""A run's folder as `track` leaves it, of rows whose truth is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from tracker.analytics.ground.plane import GroundPlane
from tracker.analytics.zones import Zones
from tracker.columns.carried import Columns
from tracker.datasets.annotations import Annotations
from tracker.datasets.finished_run import FinishedRun
from tracker.datasets.mot import MotSequence, write_sequence
from tracker.jobs.result_files import ResultFiles
from tracker.jobs.result_folder import Output
from tracker.structures import Status, Tracks
from tracker.video.source import Frame

SIZE = (320, 240)


def annotated(rows, frames: int = 0, fps: float = 10.0, names=None, size=SIZE) -> Annotations:
    """Rows (frame, id, left, top, right, bottom[, class[, score[, predicted]]]), in any order."""
    table = [[*row, *(0, 0.9, 0)[len(row) - 6 :]] for row in rows]
    values = np.array(sorted(table), np.float64).reshape(-1, 9)
    numbers = values[:, [0, 1, 6]].astype(np.int64)
    predicted = values[:, 8].astype(bool)
    count = max(frames, int(values[:, 0].max(initial=1)))
    return Annotations(
        frames=numbers[:, 0],
        ids=numbers[:, 1],
        xyxy=values[:, 2:6],
        classes=numbers[:, 2],
        scores=values[:, 7],
        occluded=predicted,
        keyframes=~predicted,
        times_s=np.arange(count) / fps,
        size=size,
        names=names or {0: "person", 2: "car"},
    )


def walking(track: int, frames, start, step, size=(20, 40), **more) -> list[tuple]:
    """Rows of an object that goes straight: its foot is at `start` in the first frame and `step` further in each."""
    frames = list(frames)
    x, y = start
    return [
        (
            f,
            track,
            x + n * step[0] - size[0] / 2,
            y + n * step[1] - size[1],
            x + n * step[0] + size[0] / 2,
            y + n * step[1],
        )
        + tuple(more.values())
        for n, f in enumerate(frames)
    ]


class _Source:
    name, live = "clip", False

    def __init__(self, fps, size):
        self.fps, self.size = fps, size


def leave_run(
    folder: Path,
    rows: Annotations,
    *,
    zones=None,
    camera=None,
    json=False,
    parquet=False,
    columns=None,
    numbers=None,
    result=None,
    **source,
) -> FinishedRun:
    """Write what `track` would have of these rows, with all their digits, by its own writers.

    Args:
        zones, camera: as the files have them. columns: number of the frame -> what its detected rows carry.
        numbers: of the frames that were tracked. result, source: more of run.yaml.
    """
    folder.mkdir(parents=True, exist_ok=True)
    width, height = rows.size
    places = Zones.parsed(zones or {}, "zones.yaml").fitted(rows.size)
    ground = None if camera is None else GroundPlane.parsed(camera).fitted(rows.size)
    output = Output(video=False, json=json, parquet=parquet, events=bool(zones))
    image = np.broadcast_to(np.uint8(0), (height, width, 3))
    numbers = list(range(1, rows.frame_count + 1)) if numbers is None else list(numbers)
    with ResultFiles(
        folder, _Source(rows.frames_per_s, rows.size), output, lambda _: None, places, None, ground
    ) as files:
        for number in numbers:
            here = rows[rows.frames == number].by_id
            time_s = float(rows.times_s[number - 1])
            index = np.where(here.occluded, -1, np.cumsum(~here.occluded) - 1)
            tracks = Tracks(
                ids=here.ids,
                xyxy=here.xyxy.astype(np.float32),
                scores=here.scores.astype(np.float32),
                classes=here.classes,
                raw_classes=here.classes,
                status=np.where(here.occluded, int(Status.PREDICTED), int(Status.CONFIRMED)),
                detection_index=index,
                time_s=time_s,
                interval_s=0.1,
                names=rows.names,
            )
            carried = (columns or {}).get(number, Columns())
            files.take(Frame(image, number, time_s), replace(tracks, detected=carried))
    record = {
        "source": {
            "given": "clip.mp4",
            "size": list(rows.size),
            "frames_per_s": rows.frames_per_s,
            "frame_count": len(numbers),
            "vid_stride": 1,
            "fps": None,
        }
        | source,
        "folder": str(folder),
        **({"zones": Zones.parsed(zones, "").to_dict()} if zones else {}),
        **({"camera": GroundPlane.parsed(camera).to_dict()} if camera else {}),
        "files": output.files,
        "result": {"frames": len(numbers), "frames_repeated": 0, "tracks": len(np.unique(rows.ids))} | (result or {}),
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(record, sort_keys=False))
    return FinishedRun.read(folder)


def as_sequence(run: FinishedRun, folder: Path, detections: bool = False) -> Path:
    """A run's rows as the ground truth of a MOTChallenge sequence, and the detected ones as its detections."""
    rows = run.annotations.by_frame
    tlwh = np.column_stack([rows.xyxy[:, :2], rows.xyxy[:, 2:] - rows.xyxy[:, :2]])
    ones = np.ones(len(rows))
    folder.mkdir(parents=True)
    like = MotSequence(folder, rows.frame_count, rows.frames_per_s, rows.size, folder / "img1")
    truth = np.column_stack([rows.frames, rows.ids, tlwh, ones, ones, ones])
    found = np.column_stack([rows.frames, rows.ids, tlwh, rows.scores])[~rows.occluded]
    write_sequence(folder, like, truth, found if detections else None)
    return folder
