"""Who of a part's new tracks was known to earlier parts: what the gallery of one run would have said.

A part knows nobody who had gone before it began. So the embeddings that the parts have taken are gone through once more
in order of time, under the ids of the whole, with a gallery that remembers as long and as many as a tracker's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.appearance.gallery import Gallery
from tracker.appearance.normalisation import SimilarityScale, crop_quality
from tracker.appearance.reidentification import met, reid_odds, reidentify
from tracker.appearance.similarity import load_notes
from tracker.config import Config
from tracker.jobs.parts.joint import IdNames
from tracker.structures import Detections, Floats, Ints

_CAMERA = 1


class RememberedLooks:
    """What objects of the parts so far look like, by the ids of the whole.

    Args:
        config: of the tracker.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._calibration = load_notes(config.appearance.model).calibration
        self._scale = SimilarityScale.before_any(self._calibration)
        self._gallery = Gallery(config.bank)
        self._last_s: dict[int, float] = {}  # when each was seen
        self._sums: dict[int, Floats] = {}  # of its embeddings

    def go_through(
        self, frames: Iterable[Mapping[str, NDArray[Any]]], names: Mapping[int, int], born_s: Mapping[int, float]
    ) -> dict[int, int]:
        """Take in the next part's own frames; return which of its new ids are known ones that were away.

        Args:
            frames: as `FirstPass.noted` has them. names: id of the part -> its id of the whole.
            born_s: id of the whole, of tracks that are new in this part -> when it was first seen, at the latest.
        """
        back: dict[int, int] = {}
        known, young, time_s = IdNames(names), dict(born_s), 0.0
        for noted in frames:
            if not noted:
                continue
            time_s = float(noted["time_s"][0])
            found = self._frame(noted, known, young)
            if found:
                back |= found
                known = IdNames({old: back.get(name, name) for old, name in names.items()})
                young = {name: first_s for name, first_s in born_s.items() if name not in back}
        self._keep({*known.new.tolist(), *self._gallery.ids(time_s).tolist()})
        return back

    def _keep(self, ids: Set[int]) -> None:
        """Forget all others: a day has any number of them."""
        self._last_s = {one: seen_s for one, seen_s in self._last_s.items() if one in ids}
        self._sums = {one: total for one, total in self._sums.items() if one in ids}

    def _frame(self, noted: Mapping[str, NDArray[Any]], known: IdNames, born_s: Mapping[int, float]) -> dict[int, int]:
        """Take in a frame; which of its new ids are known ones."""
        time_s = float(noted["time_s"][0])
        self._last_s.update(dict.fromkeys(known.of(noted["ids"][known.known(noted["ids"])]).tolist(), time_s))
        embedded = np.flatnonzero(known.known(noted["embedded"]))
        if not len(embedded):
            return {}
        ids, first = np.unique(known.of(noted["embedded"][embedded]), return_index=True)
        by_id = np.argsort(noted["ids"])
        rows = by_id[np.searchsorted(noted["ids"], noted["embedded"][embedded[first]], sorter=by_id)]
        features = noted["embeddings"][embedded[first]]
        found = Detections(noted["xyxy"][rows], noted["scores"][rows], noted["classes"][rows], features)
        self._scale.learn(found)
        self._learn_same(ids, found, features)
        new = np.flatnonzero([time_s - born_s.get(i, -np.inf) <= self._config.bank.reid_s for i in ids.tolist()])
        born = np.array([born_s[i] for i in ids[new].tolist()])
        back = self._recognised(ids[new], found[new], born, known.new, time_s)
        names = np.array([back.get(i, i) for i in ids.tolist()], np.int64)
        self._gallery.forget(np.array(list(back), np.int64))
        quality = crop_quality(found.xyxy, found.scores)
        self._gallery.remember(names, found.classes, features, quality, _CAMERA, time_s)
        self._last_s.update(dict.fromkeys(back.values(), time_s))
        return back

    def _learn_same(self, ids: Ints, found: Detections, features: Floats) -> None:
        """Learn how alike one object looks to what it looked like until now."""
        alike = np.full(len(ids), np.nan, np.float32)
        for row, one in enumerate(ids.tolist()):
            before = self._sums.get(one)
            if before is not None:
                alike[row] = features[row] @ before / np.linalg.norm(before)
            self._sums[one] = features[row] if before is None else before + features[row]
        self._scale.learn_same(alike, found.classes)

    def _recognised(
        self, ids: Ints, found: Detections, born_s: NDArray[np.float64], of_part: Ints, time_s: float
    ) -> dict[int, int]:
        """Which of these new tracks is who was away, as `Tracker` decides it, without where they were expected.

        Nobody is one of those whom the part has itself (`of_part`, ids): it would have recognised them.
        """
        if not len(ids):
            return {}
        sums = np.stack([self._sums[one] for one in ids.tolist()])
        looks = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        recall = self._gallery.recall(looks, np.unique(of_part), _CAMERA, time_s)
        if not len(recall.ids):
            return {}
        seen = recall.ids, np.array([self._last_s[one] for one in recall.ids.tolist()])
        odds = self._scale.log_odds(self._calibration, recall.similarity, recall.seconds[..., None], found.classes)
        ruled_out = (recall.classes[:, None] != found.classes) | met(recall.ids, seen, born_s)
        nowhere = np.zeros((len(recall.ids), len(ids)), np.float32)
        rows, new = reidentify(reid_odds(recall, odds, nowhere, ruled_out), self._config.association)
        return dict(zip(ids[new].tolist(), recall.ids[rows].tolist(), strict=True))
