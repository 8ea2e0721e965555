"""The gallery: a few appearance embeddings of each identity, for as long and as many as the bounds allow.

A track that motion has lost is forgotten by the bank; its embeddings stay here, and a new track is compared with them
(re-identification). Of each identity the latest embedding is kept, and beside it some earlier ones that differ: where
there is no room, of the two most alike the worse one goes. Trackers may share a gallery: an identity then has one id in
all cameras.

All identities are rows of arrays that have room for as many as the bound allows from the beginning, or for thousands
of them: the system gives memory as rows are taken, and few are ever copied to a larger place, which a process would
keep. Where all rows are taken the identity longest unseen gives up its row, so neither memory nor time depends on how
many there ever were.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from threading import RLock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tracker.columns.checked import widened
from tracker.config import BankConfig, Config
from tracker.structures import Floats, Ints, Mask
from tracker.system import state
from tracker.system.state import Stateful, fits

OTHER_CAMERA_S = 20.0  # another camera's view differs at least as much as this long a time makes embeddings differ
_ROOM = 5000  # rows that there is room for at once: not every system promises more memory than it has
_LATEST = 0  # the slot of the latest embedding
_COLUMNS = ("_ids", "_classes", "_seen_s", "_embeddings", "_quality", "_embedding_s", "_camera", "_alike")


@dataclass(frozen=True, eq=False)
class Recall:
    """G identities that M embeddings were compared with.

    Attributes:
        ids, classes: (G,) int64.
        similarity: (G, K, M) float32 cosine similarities to the K embeddings kept of each; NaN where fewer are kept.
        seconds: (G, K) float32 since those were taken.
    """

    ids: Ints
    classes: Ints
    similarity: Floats
    seconds: Floats


class Gallery(Stateful):
    """A bounded memory of identities; hands out the ids, too. Every method may be called from several threads.

    Args:
        config: `memory_s`, `memory_size` and `memory_embeddings` are the bounds.

    One that trackers share is saved and loaded on its own, between two frames of all of them: `save`, `load`.

    Examples:
        >>> from tracker import Tracker
        >>> gallery = Gallery()
        >>> door, hall = Tracker(gallery=gallery), Tracker(gallery=gallery)
    """

    saved = ("_next_id", "_cameras", *_COLUMNS)
    rebuilt = ("_config", "_memory_s", "_size", "_kept", "_lock", "_room")

    def __init__(self, config: BankConfig | None = None) -> None:
        config = config or BankConfig()
        self._config = config
        self._memory_s, self._size, self._kept = config.memory_s, config.memory_size, config.memory_embeddings
        self._lock = RLock()
        self._room: dict[str, NDArray[Any]] = {}  # the whole of each column, which begins with the rows in use
        self._next_id = 1
        self._cameras = 0
        self._ids = np.zeros(0, np.int64)  # of each row; 0: the row is free
        self._classes = np.zeros(0, np.int64)
        self._seen_s = np.zeros(0)  # when the identity was last looked at
        self._embeddings = np.zeros((0, self._kept, 0), np.float32)  # NaN where there is none
        self._quality = np.zeros((0, self._kept), np.float32)
        self._embedding_s = np.zeros((0, self._kept))
        self._camera = np.zeros((0, self._kept), np.int64)
        # Similarities of the embeddings kept of each, so that a frame compares new ones alone; NaN where there is none,
        # -inf of an embedding with itself, which is no pair.
        self._alike = np.zeros((0, self._kept, self._kept), np.float32)

    def save(self, path: str | Path) -> None:
        """Write everything it knows to a file that `load` reads, in place of what is there.

        Raises:
            OutputError: it cannot be written; what was there stays.
        """
        with self._lock:
            state.write(path, "gallery", asdict(self._config), self.state_dict())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """A gallery that goes on where the saved one was.

        Raises:
            DataError: no state of a gallery, one of another version, or a damaged one.
        """
        about, saved = state.read(path, "gallery")
        gallery = cls(Config().override({"bank": about}, str(path)).bank)
        with state.loading(path):
            gallery.load_state_dict(saved)
        return gallery

    def _check_state(self) -> None:
        rows = len(self._ids)
        known = self._ids[self._ids > 0]
        fits(all(len(getattr(self, name)) == rows for name in _COLUMNS), "number of the gallery's rows")
        fits(rows <= self._size and len(np.unique(known)) == len(known), "the gallery's rows")
        fits(bool((self._ids >= 0).all()) and self._next_id > int(known.max(initial=0)), "the gallery's ids")

    def __len__(self) -> int:
        """How many identities are remembered."""
        return int((self._ids > 0).sum())

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return sum(getattr(self, name).nbytes for name in _COLUMNS)

    def new_ids(self, count: int) -> Ints:
        """`count` ids that no track had before, ascending from 1."""
        with self._lock:
            self._next_id += count
            return np.arange(self._next_id - count, self._next_id)

    @property
    def newest_id(self) -> int:
        """The last id that was given out; 0: none was."""
        return self._next_id - 1

    def reserve(self, cameras: int, newest: int) -> None:
        """Give out no camera's number up to this one, and no id: others have them already."""
        with self._lock:
            self._cameras, self._next_id = max(self._cameras, cameras), max(self._next_id, newest + 1)

    def gave(self, camera: int, newest: int, width: int) -> bool:
        """Did it give out this camera's number, and ids up to this one, and are embeddings of this width (0: none)?"""
        with self._lock:
            known = 0 < camera <= self._cameras and newest < self._next_id
            return known and width in (0, self._embeddings.shape[2])

    def new_camera(self) -> int:
        """A number for one more tracker that looks through a camera of its own."""
        with self._lock:
            self._cameras += 1
            return self._cameras

    def widen(self, width: int) -> None:
        """Have room for embeddings of this width, D, from now on.

        Raises:
            InputError: there are those of another width.
        """
        with self._lock:
            self._embeddings = widened(self._embeddings, width, "the gallery")

    def remember(
        self,
        ids: Ints,
        classes: Ints,
        features: Floats,
        quality: Floats,
        camera: int,
        time_s: float,
        which: Ints | None = None,
    ) -> None:
        """Keep new embeddings of these identities, one of each.

        Args:
            ids, classes: (N,), ids unique. features: (N, D) unit rows. quality: (N,), higher is better.
            camera: where they come from. time_s: now.
            which: (N,) the rows of `features` where it has others, too, which need not be gathered then.
        """
        with self._lock:
            self.widen(features.shape[1])
            rows = self._rows(ids)
            given = rows >= 0
            if not given.all():
                rows, classes, quality = rows[given], classes[given], quality[given]
                which = np.flatnonzero(given) if which is None else which[given]
            if which is not None:
                features = features.take(which, axis=0)
            self._make_room(rows)
            self._classes[rows], self._seen_s[rows] = classes, time_s
            self._embeddings[rows, _LATEST], self._quality[rows, _LATEST] = features, quality
            self._embedding_s[rows, _LATEST], self._camera[rows, _LATEST] = time_s, camera
            alike = (self._embeddings[rows] @ features[..., None])[..., 0]
            alike[:, _LATEST] = -np.inf
            self._alike[rows, _LATEST] = self._alike[rows, :, _LATEST] = alike

    def forget(self, ids: Ints) -> None:
        """Free the rows of these identities."""
        with self._lock:
            self._ids[np.isin(self._ids, ids)] = 0

    def ids(self, time_s: float) -> Ints:
        """Every identity that is remembered."""
        with self._lock:
            return self._ids[self._remembered(time_s)]

    def kept(self, ids: Ints) -> tuple[Floats, Floats]:
        """What is kept of identities (N,): embeddings (N, K, D), NaN where there are fewer, and quality (N, K)."""
        with self._lock:
            rows = self._find(ids)
            known = rows >= 0
            embeddings = np.full((len(ids), *self._embeddings.shape[1:]), np.nan, np.float32)
            quality = np.zeros(embeddings.shape[:2], np.float32)
            embeddings[known], quality[known] = self._embeddings[rows[known]], self._quality[rows[known]]
            return embeddings, quality

    def recall(self, features: Floats, without: Ints, camera: int, time_s: float) -> Recall:
        """Compare embeddings (M, D) with every identity remembered except these."""
        with self._lock:
            self.widen(features.shape[1])
            absent = self._remembered(time_s)
            here = self._find(without)
            absent[here[here >= 0]] = False
            rows = np.flatnonzero(absent)
            similarity = self._compared(rows, features)
            seconds = np.maximum(time_s - self._embedding_s[rows], 0)
            seconds[(self._camera[rows] != camera) & (seconds < OTHER_CAMERA_S)] = OTHER_CAMERA_S
            return Recall(self._ids[rows], self._classes[rows], similarity, seconds.astype(np.float32))

    def _compared(self, rows: Ints, features: Floats) -> Floats:
        """(G, K, M) similarities of all embeddings of these rows (G,) to embeddings (M, D)."""
        few = 2 * len(rows) < len(self._ids)  # to gather them is cheaper then than to compare all
        embeddings = self._embeddings.take(rows, axis=0) if few else self._embeddings
        similarity = (embeddings.reshape(-1, features.shape[1]) @ features.T).reshape(
            len(embeddings), self._kept, len(features)
        )
        return similarity if few else similarity.take(rows, axis=0)

    def _remembered(self, time_s: float) -> Mask:
        """Which rows are of an identity that was seen lately enough."""
        return (self._ids > 0) & (time_s - self._seen_s <= self._memory_s)

    def _find(self, ids: Ints) -> Ints:
        """The row of each id, (N,); -1 where there is none."""
        if not len(self._ids):
            return np.full(len(ids), -1, np.int64)
        order = np.argsort(self._ids)
        place = order[np.minimum(np.searchsorted(self._ids, ids, sorter=order), len(order) - 1)]
        return np.where(self._ids[place] == ids, place, -1)

    def _rows(self, ids: Ints) -> Ints:
        """The row of each id, (N,); a new one where the id has none, -1 where there is no room for so many."""
        rows = self._find(ids)
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            fresh = self._free_rows(len(unknown), rows[rows >= 0])
            unknown = unknown[: len(fresh)]
            rows[unknown], self._ids[fresh] = fresh, ids[unknown]
            self._embeddings[fresh] = self._alike[fresh] = np.nan
        return rows

    def _free_rows(self, count: int, taken: Ints) -> Ints:
        """Up to `count` rows: free ones, then further ones up to the bound, then those that are longest unseen."""
        free = np.flatnonzero(self._ids == 0)
        if len(free) < count:
            more = min(max(len(self._ids), count, 64), self._size - len(self._ids))
            free = np.concatenate([free, np.arange(len(self._ids), len(self._ids) + more)])
            if more:
                self._grow(len(self._ids) + more)
        if len(free) < count:
            oldest = np.argsort(self._seen_s, kind="stable")
            oldest = oldest[~np.isin(oldest, np.concatenate([free, taken]))]
            free = np.concatenate([free, oldest])
        return free[:count]

    def _grow(self, rows: int) -> None:
        """Have so many rows."""
        for name in _COLUMNS:
            column = getattr(self, name)
            room = self._room.get(name)
            if room is None or column.base is not room or len(room) < rows:  # the first, those of a state, wider ones
                many = min(self._size, max(_ROOM, rows))
                room = self._room[name] = np.zeros((many, *column.shape[1:]), column.dtype)
                room[: len(column)] = column
            setattr(self, name, room[:rows])

    def _make_room(self, rows: Ints) -> None:
        """Move the latest embeddings of these rows to an empty slot, or in place of the worse of the two most alike."""
        alike = self._alike[rows]
        empty = np.isnan(alike[:, _LATEST])
        most = alike.reshape(len(rows), self._kept**2).argmax(axis=1)
        one, other = np.divmod(most, self._kept)
        worse = np.where(self._quality[rows, one] < self._quality[rows, other], one, other)
        slots = np.where(empty.any(axis=1), empty.argmax(axis=1), worse)
        stays = slots == _LATEST  # it is the worse one itself, or there is none yet
        rows, slots, alike = rows[~stays], slots[~stays], alike[~stays, _LATEST]
        for column in (self._embeddings, self._quality, self._embedding_s, self._camera):
            column[rows, slots] = column[rows, _LATEST]
        self._alike[rows, slots] = self._alike[rows, :, slots] = alike
        self._alike[rows, slots, slots] = -np.inf


def combined(odds: Floats, known: Recall) -> Floats:
    """(G, K, M) log-odds against the embeddings of each identity -> (G, M) log-odds that it is the identity.

    The mean of what the latest embedding says and of what all say together, any of which may be the one that is like
    the new embedding (a mixture with equal shares).
    """
    kept = ~np.isnan(known.similarity)
    odds = np.where(kept, odds, -np.inf)
    most = odds.max(axis=1)
    mixture = most + np.log(np.exp(odds - most[:, None]).sum(axis=1) / kept.sum(axis=1))
    evidence: Floats = ((odds[:, _LATEST] + mixture) / 2).astype(np.float32)
    return evidence
