"""All parts of a video under ids that go on over the cuts, frame by frame, as one run would have had them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.config import Config
from tracker.jobs.parts.cutting import BEYOND_S, WARM_UP_S, VideoPart
from tracker.jobs.parts.joint import IdNames, Seen, continued, returned
from tracker.jobs.parts.remembered import RememberedLooks
from tracker.jobs.parts.tracked_part import PartFiles
from tracker.smoothing.first_pass import FirstPass
from tracker.structures import Ints, Tracks
from tracker.video.source import Frame

_A_ROW = ("ids", "xyxy", "scores", "classes", "raw_classes", "index")  # of what a first pass notes of a frame
_IDS = ("confirmed", "pending")
_EDGE_S = WARM_UP_S + BEYOND_S  # of a part that its neighbour has tracked, too


@dataclass(frozen=True)
class JointFacts:
    """What became of the tracks at a cut.

    Attributes:
        frame: the first one behind it. continued: tracks that were matched in the frames that both parts have tracked.
        returned: those that had gone before, and were linked. new: the others of the later part.
    """

    frame: int
    continued: int
    returned: int
    new: int


@dataclass(frozen=True, eq=False)
class _OwnTracks:
    """The tracks of a part.

    Attributes:
        seen: what it saw near its ends. ids: those that its own frames have, also such as were given up for known ones.
        born_s: id -> when it was seen first, in all frames that were tracked.
        given_up: id -> the first own frame that has it, and the known one that it turned out to be.
        given_up_late: the same of those that turned out to be a known one behind the last own frame: nobody is told.
        positions: of its own frames among those that were tracked.
    """

    seen: Seen
    ids: Ints
    born_s: Mapping[int, float]
    given_up: Mapping[int, tuple[int, int]]
    given_up_late: Mapping[int, int]
    positions: Sequence[int]


class JoinedParts:
    """The parts of a video, in order.

    Args:
        parts: which frames they are. files: what opens those of each, one part at a time.
        config: of the linker.

    Attributes:
        joints: between the parts.
    """

    def __init__(self, parts: Sequence[VideoPart], files: Sequence[Callable[[], PartFiles]], config: Config) -> None:
        self._parts, self._files, self._config = parts, files, config
        self._names: list[IdNames] = []
        self.joints: list[JointFacts] = []
        self._join()

    def frames(self) -> Iterator[tuple[Frame, Tracks]]:
        """Every frame, its image a blank one, with its tracks as half a second has settled them."""
        for part, opened, names in zip(self._parts, self._files, self._names, strict=True):
            with opened() as files:
                for frame, tracks in files.frames():
                    if part.first <= frame.number <= part.last:
                        yield frame, _called(tracks, names)

    def take_rows(self, first: FirstPass) -> None:
        """Let a first pass have all frames, as if it had been that of one run."""
        for part, opened, names in zip(self._parts, self._files, self._names, strict=True):
            with opened() as files:
                first.recorder.names = files.first.recorder.names or first.recorder.names
                for position, (frame, _) in enumerate(files.frames()):
                    if part.first <= frame.number <= part.last:
                        first.take_from(files.first, position, _noted(files.first.noted(position), names))

    def _join(self) -> None:
        """Name the ids of each part by those of the part before; the first one's are as they are."""
        before: Seen | None = None
        last = 0
        looks = RememberedLooks(self._config) if self._config.appearance.enabled else None
        for part, opened in zip(self._parts, self._files, strict=True):
            with opened() as files:
                own = self._seen(part, files)
                called = dict(zip(own.ids.tolist(), own.ids.tolist(), strict=True))
                if before is not None:
                    called = self._joint(before, own, part.first, last)
                called |= {young: called[known] for young, known in own.given_up_late.items() if known in called}
                if looks is not None:
                    called = self._remembered(looks, own, files, called, last if before is not None else None)
            last = max([last, *called.values()])
            self._names.append(IdNames(called))
            before = own.seen.named(self._names[-1])

    def _remembered(
        self, looks: RememberedLooks, own: _OwnTracks, files: PartFiles, called: dict[int, int], last: int | None
    ) -> dict[int, int]:
        """The same names, but for those of new tracks that are objects known to parts before; `last` was given before
        this part."""
        born_s = dict[int, float]()
        if last is not None:
            born_s = {called[one]: time_s for one, time_s in own.born_s.items() if called.get(one, 0) > last}
        back = looks.go_through((files.first.noted(position) for position in own.positions), called, born_s)
        if back:
            joint = self.joints[-1]
            self.joints[-1] = replace(joint, returned=joint.returned + len(back), new=joint.new - len(back))
        return {old: back.get(name, name) for old, name in called.items()}

    def _joint(self, before: Seen, own: _OwnTracks, cut: int, last: int) -> dict[int, int]:
        """What the ids of the later part are called; `last` was given last."""
        after, ids = own.seen, own.ids
        called = continued(before, after, cut, self._config.offline.fill_s)  # also who is away until the next cut
        for young, (number, known) in own.given_up.items():
            if number <= before.numbers[-1] and known in called:  # the part before knew at once who that is
                called[young] = called[known]
        new = ids[~np.isin(ids, list(called))].tolist()
        fresh = {old: last + count for count, old in enumerate(new, 1)}
        gone = np.setdiff1d(before.table.ids, list(called.values()))
        named = after.named(IdNames(called | fresh))
        back = returned(before, named, cut, gone, np.array(list(fresh.values()), np.int64), self._config)
        self.joints.append(JointFacts(cut, int(np.isin(ids, list(called)).sum()), len(back), len(new) - len(back)))
        still = [old for old in new if fresh[old] not in back]
        called |= {old: back[fresh[old]] for old in new if fresh[old] in back}
        return called | {old: last + count for count, old in enumerate(still, 1)}

    def _seen(self, part: VideoPart, files: PartFiles) -> _OwnTracks:
        told, renamed, late = dict[int, int](), dict[int, int](), dict[int, int]()
        numbers, positions = list[int](), list[int]()
        for position, (frame, tracks) in enumerate(files.frames()):
            renamed.update(tracks.renamed)
            if frame.number > part.last:
                late.update(tracks.renamed)
            if not frame.repeated:
                numbers.append(frame.number)
            if part.first <= frame.number <= part.last:
                positions.append(position)
                for one in tracks.confirmed.ids.tolist():
                    told.setdefault(one, frame.number)
        seen = Seen(files.first.recorder.table(), np.array(numbers, np.int64))
        table, times = seen.table, seen.table.times_s
        ids = {*told, *seen.within(part.first, part.last).table.ids.tolist()}
        ids.update(young for young, known in renamed.items() if known in ids)
        one, first = np.unique(table.ids, return_index=True)
        born_s = dict(zip(one.tolist(), table.row_times_s[first].tolist(), strict=True))
        near = (table.row_times_s <= times[0] + 2 * _EDGE_S) | (table.row_times_s >= times[-1] - 2 * _EDGE_S)
        given_up = {young: (told[young], known) for young, known in renamed.items() if young in told}
        seen, own = replace(seen, table=table[near]), np.array(sorted(ids), np.int64)
        late = {young: known for young, known in late.items() if young in told}
        return _OwnTracks(seen, own, born_s, given_up, late, positions)


def _called(tracks: Tracks, names: IdNames) -> Tracks:
    """The tracks of a frame by these names, without those that have none."""
    tracks = tracks[names.known(tracks.ids)]
    ids = names.of(tracks.ids)
    order = np.argsort(ids)
    return replace(replace(tracks, ids=ids)[order], renamed=dict(_pairs(tracks.renamed, names)))


def _pairs(renamed: Mapping[int, int], names: IdNames) -> list[tuple[int, int]]:
    both = np.array(list(renamed.items()), np.int64).reshape(-1, 2)
    both = both[names.known(both[:, 0]) & names.known(both[:, 1])]
    return [(young, known) for young, known in names.of(both).tolist() if young != known]


def _noted(noted: Mapping[str, NDArray[Any]], names: IdNames) -> dict[str, NDArray[Any]]:
    """What was noted of a frame, by these names."""
    if not noted:
        return {}
    said = dict(noted)
    for rows in (_A_ROW, ("embedded", "embeddings")):
        keep = names.known(noted[rows[0]])
        said |= {name: noted[name][keep] for name in rows}
        said[rows[0]] = names.of(said[rows[0]])
    for name in _IDS:
        said[name] = names.of(noted[name][names.known(noted[name])])
    said["renamed"] = np.array(_pairs(dict(noted["renamed"].tolist()), names), np.int64).reshape(-1, 2)
    return said
