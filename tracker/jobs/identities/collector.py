"""What the tracks of one video look like and when they are there, taken in while its results are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tracker.appearance.gallery import Gallery
from tracker.appearance.normalisation import crop_quality
from tracker.appearance.similarity import weights_file
from tracker.config import BankConfig, Config
from tracker.errors import UsageError
from tracker.jobs.identities.video_embeddings import VideoEmbeddings
from tracker.jobs.outcome import full_name
from tracker.provenance import hashed
from tracker.structures import Mask, Tracks
from tracker.system.snapshots.resumable import Resumable, Snapshot

if TYPE_CHECKING:
    from tracker.tracker import Tracker
    from tracker.video.source import Frame

EMBEDDINGS = 4  # of a track
TRACKS = 8192  # of a video: those seen last
AWAY_S = 1.0  # a track that is not reported for longer was away
_CAMERA = 1
_TRACK = np.dtype(
    [
        ("class", "i8"),
        ("first_s", "f8"),
        ("since_s", "f8"),  # where its present stay began
        ("last_s", "f8"),
        ("frames", "i8"),
        ("score", "f8"),
    ]
)


def require_embeddings(config: Config) -> None:
    """
    Raises:
        UsageError: no embeddings are made.
    """
    if not config.appearance.enabled:
        raise UsageError("a gallery is of what objects look like; leave out --no-reid, or --gallery")


class EmbeddingCollector(Resumable):
    """Takes a video's frames with their tracks, as a writer of results does, and no picture.

    Of each track it keeps the last embedding and some that differ (`Gallery`). Memory is bounded: by the number of
    tracks with embeddings, and for others some hundred bytes each, as `summary.csv` has them.
    """

    saved = ("_gallery", "_tracks", "_place", "_stays", "_names")
    rebuilt = ()

    def __init__(self) -> None:
        self._gallery = Gallery(BankConfig(memory_s=1e6, memory_size=TRACKS, memory_embeddings=EMBEDDINGS))
        self._tracks = np.zeros(64, _TRACK)
        self._place: dict[int, int] = {}  # id -> its row
        self._stays: list[tuple[int, float, float]] = []  # that are over: id, from, to
        self._names: dict[int, str] = {}

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Take the next frame."""
        shown = tracks.confirmed
        if not len(shown):
            return
        self._names.update(shown.names)
        ids = shown.ids.tolist()
        for track in ids:
            self._place.setdefault(track, len(self._place))
        while len(self._place) > len(self._tracks):
            self._tracks = np.concatenate([self._tracks, np.zeros_like(self._tracks)])
        places = np.array([self._place[track] for track in ids], np.intp)
        rows, time_s = self._tracks[places], frame.time_s
        new = rows["frames"] == 0
        back = ~new & (time_s - rows["last_s"] > AWAY_S)
        for row in np.flatnonzero(back).tolist():
            self._stays.append((ids[row], float(rows["since_s"][row]), float(rows["last_s"][row])))
        rows["first_s"][new] = time_s
        rows["since_s"][new | back] = time_s
        rows["class"], rows["last_s"] = shown.classes, time_s
        rows["frames"] += 1
        rows["score"] += shown.scores
        self._tracks[places] = rows
        embeddings = shown.embeddings
        if embeddings is None:
            return
        known = ~np.isnan(embeddings[:, 0])
        if known.any():
            quality = crop_quality(shown.xyxy, shown.scores)
            seen = shown.ids[known], shown.classes[known], embeddings[known], quality[known]
            self._gallery.reserve(_CAMERA, int(shown.ids[-1]))
            self._gallery.remember(*seen, _CAMERA, time_s)

    def close(self) -> None:
        """Nothing is held open."""

    def snapshot(self) -> Snapshot:
        """As of `Resumable`; the gallery as arrays by name."""
        return {
            "gallery": self._gallery.state_dict(),
            "tracks": {name: self._tracks[name] for name in _TRACK.names or ()},
            "place": self._place,
            "stays": self._stays,
            "names": self._names,
        }

    def take_over(self, snapshot: Mapping[str, Any]) -> None:
        """As of `Resumable`."""
        self._gallery.load_state_dict(snapshot["gallery"])
        self._tracks = np.zeros(len(snapshot["tracks"]["frames"]), _TRACK)
        for name, column in snapshot["tracks"].items():
            self._tracks[name] = column
        self._place, self._stays, self._names = snapshot["place"], snapshot["stays"], snapshot["names"]

    def collected(self, given: Any, video: str, tracker: Tracker) -> VideoEmbeddings:
        """All that was taken in.

        Args:
            given: the source, as `open_source` takes it. video: the folder of its results. tracker: whose tracks.
        """
        ids = np.array(sorted(self._place), np.int64)
        embeddings, quality = self._gallery.kept(ids)
        there: Mask = np.any(np.isfinite(embeddings[..., :1]), axis=2)
        known = np.any(there, axis=1)
        ids, there = ids[known], there[known]
        rows = self._tracks[[self._place[track] for track in ids.tolist()]]
        row = {track: number for number, track in enumerate(ids.tolist())}
        over = [(row[track], start, end) for track, start, end in self._stays if track in row]
        stays = [*over, *zip(range(len(ids)), rows["since_s"].tolist(), rows["last_s"].tolist(), strict=True)]
        return VideoEmbeddings(
            full_name(given),
            video,
            hashed(weights_file(tracker.config.appearance.model))["sha256"],
            tracker.networks.calibration,
            {number: self._names.get(number, str(number)) for number in sorted(set(rows["class"].tolist()))},
            ids,
            rows["class"],
            rows["first_s"],
            rows["last_s"],
            rows["frames"],
            rows["score"] / np.maximum(rows["frames"], 1),
            embeddings[known][there].astype(np.float16),
            np.nonzero(there)[0],
            quality[known][there],
            np.array(sorted(stays), np.float64).reshape(-1, 3),
        )
