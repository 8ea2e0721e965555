"""Track a MOTChallenge sequence from disk into a result file, as `track eval` and `track tune` do.

One frame is in memory at a time. What the tracker gets is decided here, once: detections from the file or the YOLO
detector, camera motion from the file, the images or not at all, images only where something looks at them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracker.datasets.mot import DetectionFile, MotSequence
from tracker.errors import DataError
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.smoothing.offline import Recorder, post_processed
from tracker.structures import Detections, Image, Tracks
from tracker.system.files import writing
from tracker.system.images import read_image

if TYPE_CHECKING:
    from tracker.tracker import Tracker

CAMERA_MOTION = ("file", "images", "none")


@dataclass(frozen=True, eq=False)
class Given:
    """What `Tracker.update` is given of one frame, which is the `number`-th from 1; nothing where it is not to look."""

    number: int
    time_s: float
    image: Image | None
    detections: Detections
    camera_motion: NDArray[np.float64] | None
    look: bool = True

    def tracked(self, tracker: Tracker) -> Tracks:
        """What the tracker makes of it; it looks where that is due."""
        look = self.look and tracker.due(self.time_s)
        return tracker.update(self.image, self.detections if look else None, self.camera_motion, self.time_s, look)


def given(
    tracker: Tracker,
    sequence: MotSequence,
    detections: str = "det",
    camera_motion: str | None = None,
    always: bool = False,
) -> Generator[Given, None, None]:
    """The frames of a sequence as the tracker gets them: detections where it is due to look, or of all (`always`).

    Other arguments and errors as for `track_sequence`.
    """
    images = sequence.images()
    if camera_motion is None:
        camera_motion = "file" if sequence.camera_motion_file.is_file() else "images" if images else "none"
    needs_images = detections == "yolo" or camera_motion == "images"
    if needs_images and len(images) < sequence.length:
        raise DataError(
            f"{sequence.image_folder} has {len(images)} images for {sequence.length} frames; "
            "add them, or use --detections det and --camera-motion file or none"
        )
    needs_images = needs_images or (len(images) >= sequence.length and tracker.config.appearance.enabled)
    for wanted, path, instead in (
        (camera_motion == "file", sequence.camera_motion_file, "leave out --camera-motion file"),
        (detections == "det", sequence.detection_file, "let our detector look at images with --detections yolo"),
    ):
        if wanted and not path.is_file():
            raise DataError(f"{path} does not exist; write it, or {instead}")
    motion = sequence.camera_motion() if camera_motion == "file" else None
    still = None if camera_motion == "images" else np.eye(2, 3)
    file = DetectionFile(sequence.detection_file) if detections == "det" else None

    def frames() -> Generator[Given, None, None]:
        for i in range(sequence.length):
            image = read_image(images[i]) if needs_images else None
            look = always or tracker.due(i / sequence.fps)
            if not look:
                found = Detections.empty()
            elif file is not None:
                found = file.frame(i + 1)
                found = found[found.scores >= tracker.config.detector.conf]  # as the detector itself drops them
            else:
                assert image is not None
                found = tracker.detector([image])[0]
            yield Given(i + 1, i / sequence.fps, image, found, still if motion is None else motion[i], look)

    return frames()


def track_sequence(
    tracker: Tracker,
    sequence: MotSequence,
    out: Path,
    *,
    detections: str = "det",
    camera_motion: str | None = None,
    strict_online: bool = False,
    offline: bool = False,
    progress: Callable[[bool], None] = lambda _: None,
) -> float:
    """Write the sequence's tracks to `out` in MOTChallenge's format.

    Args:
        tracker: is reset first.
        sequence: frames are timed by its frame rate.
        out: the file.
        detections: "det": det/det.txt; "yolo": the tracker's detector looks at the images.
        camera_motion: "file" (gmc.txt), "images" or "none"; None: the first of these that is there.
        strict_online: a frame is written as it was tracked, and not as the next half second shows it to have been.
        offline: nothing is written before the end, and then what offline post-processing made of it
            (`tracker.smoothing.offline`).
        progress: called after each frame, with whether it was looked at.

    Returns:
        Seconds spent in `Tracker.update` with detections given, over all frames.

    Raises:
        DataError: detections, camera motion or images that are asked for and not there.
        SourceError: an image that cannot be read.
        OutputError: `out` cannot be written.
    """
    frames = given(tracker, sequence, detections, camera_motion)
    return track_frames(tracker, frames, out, strict_online=strict_online, offline=offline, progress=progress)


def track_frames(
    tracker: Tracker,
    frames: Iterable[Given],
    out: Path,
    *,
    strict_online: bool = False,
    offline: bool = False,
    progress: Callable[[bool], None] = lambda _: None,
) -> float:
    """What `track_sequence` does, of frames that are at hand."""
    tracker.reset()
    config = tracker.config
    smoother: FixedLagSmoother[int] = FixedLagSmoother(
        0.0 if strict_online else config.bank.report_delay_s, config.offline
    )
    recorder = Recorder()
    seconds = 0.0
    with writing(out), out.open("w", encoding="ascii") as lines:
        for frame in frames:
            start = time.perf_counter()
            tracks = frame.tracked(tracker)
            seconds += time.perf_counter() - start
            if offline:
                recorder.add(tracks, frame.detections, tracker.camera_motion, tracker.features)
                progress(tracks.looked)
                continue
            waited = smoother.push(frame.number, tracks, tracker.camera_motion)
            lines.writelines(rows.to_mot(number) for number, rows in waited)
            progress(tracks.looked)
        lines.writelines(rows.to_mot(number) for number, rows in smoother.flush())
        if offline:
            table = post_processed(recorder.table(), config)
            lines.writelines(table.at(position, {}).to_mot(position + 1) for position in range(len(recorder)))
    return seconds
