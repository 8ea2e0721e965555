"""All tracks of a gallery as arrays: one vector each, and of very many those that say most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tracker.jobs.identities.likeness import Likeness
from tracker.jobs.identities.video_embeddings import VideoEmbeddings

MOST = 10_000_000  # tracks; beyond, those that were seen worst are left out
_SPARE = 1.25  # times as many are gathered before that is done
_ENTRY = np.dtype(
    [
        ("video", "i4"),
        ("kind", "i4"),
        ("id", "i8"),
        ("first_s", "f8"),
        ("last_s", "f8"),
        ("worth", "f4"),
    ]
)


class Entries:
    """The tracks of all videos, in the order in which these come.

    Args:
        videos: each once. most: tracks that are kept.

    Attributes:
        videos: (V,) source and name of each. kinds: (C,) class names; the same name by another network is another.
        likeness: (C,) of each. rows: (N,) what is known of each track: `video` and `kind` by number, `id`, `first_s`,
            `last_s`, and `worth`, the sum of the qualities of its pictures.
        vectors: (N, D) float16 unit vectors, D of the network with most. left_out: how many more tracks there are.
    """

    def __init__(self, videos: Iterable[VideoEmbeddings], most: int = MOST) -> None:
        self.videos: list[tuple[str, str]] = []
        self.kinds: list[str] = []
        self.likeness: list[Likeness] = []
        self.left_out = 0
        self._number: dict[tuple[str, str], int] = {}  # of a kind, by network and class
        self._rows, self._vectors, self._stays = (
            [np.zeros(0, _ENTRY)],
            list[NDArray[np.float16]](),
            list[NDArray[np.float64]](),
        )
        self._count = 0
        for video in videos:
            self._add(video)
            if self._count > _SPARE * most:
                self._thin(most)
        self._thin(most)
        self.rows = self._rows[0]
        self.vectors = self._vectors[0] if self._vectors else np.zeros((0, 1), np.float16)
        self._at = (
            np.searchsorted(self._stays[0][:, 0], np.arange(len(self.rows) + 1)) if self._stays else np.zeros(1, int)
        )

    def stays(self, row: int) -> dict[int, list[tuple[float, float]]]:
        """When a track is there, by the number of its video."""
        there = self._stays[0][self._at[row] : self._at[row + 1], 1:]
        return {int(self.rows["video"][row]): [(begin, end) for begin, end in there.tolist()]}

    def _add(self, video: VideoEmbeddings) -> None:
        self.videos.append((video.source, video.video))
        if not len(video):
            return
        means, rows = video.means, np.zeros(len(video), _ENTRY)
        for number in np.unique(video.classes).tolist():
            of_class = video.classes == number
            rows["kind"][of_class] = kind = self._kind(video, video.names.get(number, str(number)))
            self.likeness[kind].learn(means[of_class], video[of_class])
        rows["video"], rows["id"] = len(self.videos) - 1, video.ids
        rows["first_s"], rows["last_s"] = video.first_s, video.last_s
        rows["worth"] = np.bincount(video.track, video.quality, len(video))
        stays = video.stays[np.argsort(video.stays[:, 0], kind="stable")]
        self._stays.append(stays + [self._count, 0, 0])
        self._rows.append(rows)
        self._vectors.append(means.astype(np.float16))
        self._count += len(video)

    def _kind(self, video: VideoEmbeddings, name: str) -> int:
        key = video.weights, name
        if key not in self._number:
            self._number[key] = len(self.kinds)
            self.kinds.append(name)
            self.likeness.append(Likeness(video.calibration))
        return self._number[key]

    def _thin(self, most: int) -> None:
        """Bring all together, and leave out those of least worth beyond `most`; of equal ones the later."""
        self._rows = [np.concatenate(self._rows)]
        if not self._vectors:
            return
        self._vectors, self._stays = [_stacked(self._vectors)], [np.concatenate(self._stays)]
        if self._count <= most:
            return
        kept = np.sort(np.argsort(-self._rows[0]["worth"], kind="stable")[:most])
        place = np.full(self._count, -1)
        place[kept] = np.arange(most)
        stays = self._stays[0]
        stays = np.column_stack([place[stays[:, 0].astype(np.int64)], stays[:, 1:]])
        self._rows, self._vectors, self._stays = (
            [self._rows[0][kept]],
            [self._vectors[0][kept]],
            [stays[stays[:, 0] >= 0]],
        )
        self.left_out += self._count - most
        self._count = most


def _stacked(parts: Sequence[NDArray[np.float16]]) -> NDArray[np.float16]:
    """(N, D) of all vectors: those of networks that make shorter ones have zeros behind, which change no product."""
    stacked = np.zeros((sum(map(len, parts)), max(part.shape[1] for part in parts)), np.float16)
    begin = 0
    for part in parts:
        stacked[begin : begin + len(part), : part.shape[1]] = part
        begin += len(part)
    return stacked
