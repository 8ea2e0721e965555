"""A sequence as it is seen once and tracked many times: detections, embeddings and camera motion, without the images.

Where images were looked at, what was seen is kept in a file, under a name that changes with all that it depends on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tracker import provenance
from tracker.datasets.mot import MotSequence
from tracker.jobs.sequences import Given, given
from tracker.structures import FEATURE_SIZE, Detections, Image
from tracker.system.files import writing
from tracker.tracker import Tracker


@dataclass(frozen=True, eq=False)
class CachedSequence:
    """A sequence and what the tracker is given of it; in the place of images stand empty ones of their size."""

    sequence: MotSequence
    frames: list[Given]


def see(
    tracker: Tracker,
    sequence: MotSequence,
    folder: Path,
    detections: str = "det",
    camera_motion: str | None = None,
) -> CachedSequence:
    """Look at a sequence, or read what an earlier one left in `folder`.

    Every detection is embedded where there are images (a tracker at work takes only those that it needs).
    Arguments and errors as for `tracker.jobs.sequences.given`.
    """
    settings = tracker.config.to_dict()
    subject = [str(sequence.folder.resolve()), detections, camera_motion, sequence.length, sequence.fps]
    subject += [settings[name] for name in ("detector", "appearance", "camera", "engine")]
    weights = provenance.weights_files(tracker.config, detections == "yolo")
    subject += [provenance.hashed(file)["sha256"] for network, file in weights.items() if network != "motion"]
    name = hashlib.sha256(json.dumps(subject).encode()).hexdigest()[:12]
    path = folder / f"{sequence.name}-{name}.npz"
    if path.is_file():
        return CachedSequence(sequence, _read(path))
    tracker.reset()
    frames = [_seen(tracker, frame) for frame in given(tracker, sequence, detections, camera_motion, True)]
    if any(frame.image is not None for frame in frames):
        with writing(path):
            folder.mkdir(parents=True, exist_ok=True)
            _write(path, frames)
    return CachedSequence(sequence, frames)


def _seen(tracker: Tracker, frame: Given) -> Given:
    if frame.image is None:
        return frame
    found = frame.detections
    if tracker.config.appearance.enabled and len(found):
        found = found.with_features(tracker.embedder(frame.image, found.xyxy))
    tracker.update(frame.image, found, frame.camera_motion, frame.time_s)  # for the camera's motion
    return replace(frame, image=_empty(frame.image.shape), detections=found, camera_motion=tracker.camera_motion)


def _empty(shape: tuple[int, ...]) -> Image:
    """A black image that takes no memory."""
    return np.broadcast_to(np.uint8(0), shape)


def _write(path: Path, frames: list[Given]) -> None:
    found = [frame.detections for frame in frames]
    nothing = np.zeros((0, FEATURE_SIZE), np.float32)
    embeddings = [nothing if f.features is None else f.features for f in found]
    np.savez(
        path,
        times_s=[frame.time_s for frame in frames],
        shape=[frame.image.shape if frame.image is not None else (0, 0, 0) for frame in frames],
        camera=np.array([frame.camera_motion for frame in frames]),
        counts=[len(f) for f in found],
        looked=[f.features is not None for f in found],
        xyxy=np.concatenate([f.xyxy for f in found]),
        scores=np.concatenate([f.scores for f in found]),
        classes=np.concatenate([f.classes for f in found]),
        looks=np.concatenate(embeddings).astype(np.float16),
    )


def _read(path: Path) -> list[Given]:
    with np.load(path) as file:
        kept = dict(file)
    ends = np.cumsum(kept["counts"])
    embedding_ends = np.cumsum(kept["counts"] * kept["looked"])
    frames = []
    for i, time_s in enumerate(kept["times_s"].tolist()):
        rows = slice(ends[i] - kept["counts"][i], ends[i])
        embeddings = (
            kept["looks"][embedding_ends[i] - kept["counts"][i] : embedding_ends[i]] if kept["looked"][i] else None
        )
        found = Detections(kept["xyxy"][rows], kept["scores"][rows], kept["classes"][rows], embeddings)
        frames.append(Given(i + 1, time_s, _empty(tuple(kept["shape"][i])), found, kept["camera"][i]))
    return frames
