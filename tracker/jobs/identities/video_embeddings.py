"""What a video adds to the gallery of an archive: a few embeddings of each track, and when it was there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tracker.appearance.similarity import Calibration
from tracker.errors import DataError
from tracker.structures import Floats, Ints

ENDING = ".safetensors"
_FORMAT, _VERSION = "tracker embeddings", 1
_NAME = 60  # letters of a source's name that its file begins with
_OF_TRACKS = {"ids": "i8", "classes": "i8", "first_s": "f8", "last_s": "f8", "frames": "i8", "scores": "f8"}
_OF_EMBEDDINGS = {"embeddings": "f2", "track": "i8", "quality": "f4"}
_TYPES = {**_OF_TRACKS, **_OF_EMBEDDINGS, "stays": "f8"}
_ABOUT = ("source", "video", "weights", "calibration", "names")

Seconds = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class VideoEmbeddings:
    """The T tracks of a video of which it is known what they look like, by id, and E embeddings of them.

    Attributes:
        source: the video, as `batch.csv` has it. video: the folder of its results.
        weights: SHA-256 of the network that made the embeddings, which are comparable with its own alone.
        calibration: what their similarity means. names: class number -> name.
        ids, classes: (T,) int64. first_s, last_s: (T,) float64 seconds in the video. frames: (T,) int64 in which it was
            reported. scores: (T,) float64 mean confidence.
        embeddings: (E, D) float16 unit vectors. track: (E,) int64 row of each one's track.
        quality: (E,) float32 from 0 to 1, of the pictures that they are of.
        stays: (S, 3) float64: row of a track, and from when to when it was there; several where it was away between.
    """

    source: str
    video: str
    weights: str
    calibration: Calibration
    names: Mapping[int, str]
    ids: Ints
    classes: Ints
    first_s: Seconds
    last_s: Seconds
    frames: Ints
    scores: Seconds
    embeddings: NDArray[np.float16]
    track: Ints
    quality: Floats
    stays: Seconds

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def means(self) -> Floats:
        """(T, D) float32 unit vectors: the mean of each track's embeddings."""
        sums = np.zeros((len(self), self.embeddings.shape[1]), np.float32)
        np.add.at(sums, self.track, self.embeddings.astype(np.float32))
        means: Floats = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
        return means

    @property
    def file_name(self) -> str:
        """Of its file: of the source alone, so that a video done again replaces its own."""
        return file_name(self.source)

    def __getitem__(self, kept: NDArray[np.bool_]) -> VideoEmbeddings:
        """The tracks of a mask (T,) alone."""
        row = np.cumsum(kept) - 1
        looks, at = kept[self.track], self.stays[:, 0].astype(np.int64)
        stays = np.column_stack([row[at], self.stays[:, 1:]])[kept[at]]
        arrays: dict[str, Any] = {name: getattr(self, name)[kept] for name in _OF_TRACKS}
        arrays |= {name: getattr(self, name)[looks] for name in _OF_EMBEDDINGS} | {"track": row[self.track[looks]]}
        return VideoEmbeddings(**{name: getattr(self, name) for name in _ABOUT}, **arrays, stays=stays)

    def to_bytes(self) -> bytes:
        """A safetensors file; of the same content the same."""
        about = {name: getattr(self, name) for name in ("source", "video", "weights")}
        about |= {"version": _VERSION, "calibration": asdict(self.calibration), "names": list(self.names.items())}
        arrays = {name: np.array(getattr(self, name), kind, order="C") for name, kind in _TYPES.items()}
        return save(arrays, {_FORMAT: json.dumps(about, sort_keys=True)})

    @classmethod
    def read(cls, path: Path) -> VideoEmbeddings:
        """What `to_bytes` made.

        Raises:
            DataError: it is none, of another version, or damaged.
        """
        try:
            with safe_open(path, "np") as file:
                about = json.loads((file.metadata() or {})[_FORMAT])
                arrays = {name: file.get_tensor(name) for name in _TYPES}
            if about.pop("version") != _VERSION:
                raise ValueError("another version of the tracker left it")
            about["calibration"] = Calibration(**about["calibration"])
            about["names"] = {int(number): str(name) for number, name in about["names"]}
            found = cls(**about, **arrays)
            found._check()
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = str(error) if type(error) is ValueError else "it is another kind of file, or damaged"
            raise DataError(
                f"{path} holds no embeddings of a video: {why}; delete it, and track the video again"
            ) from error
        return found

    def _check(self) -> None:
        """Raise ValueError where the arrays do not fit together."""
        tracks, looks = len(self.ids), len(self.embeddings)
        shapes: dict[str, tuple[int, ...]] = {"track": (looks,), "quality": (looks,), "stays": (len(self.stays), 3)}
        shapes["embeddings"] = (looks, self.embeddings.shape[-1])
        for name in _OF_TRACKS:
            shapes[name] = (tracks,)
        fit = all(
            getattr(self, name).shape == shapes[name]
            and getattr(self, name).dtype == kind
            and np.isfinite(getattr(self, name)).all()
            for name, kind in _TYPES.items()
        )
        rows = np.concatenate([self.track, self.stays[:, 0].astype(np.int64)]) if fit else np.full(1, -1)
        if not fit or (len(rows) and not (rows.min() >= 0 and rows.max() < tracks)):
            raise ValueError("its arrays do not fit together")


def file_name(source: str) -> str:
    """Of the file of a source: readable, and no two sources' the same.

    >>> file_name("/archive/door 1.mp4")
    'door-1-02cfa4325c8d.safetensors'
    """
    stem = re.sub("[^A-Za-z0-9]+", "-", Path(source.partition("?")[0]).stem)[:_NAME].strip("-") or "video"
    mark = hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"{stem}-{mark}{ENDING}"
