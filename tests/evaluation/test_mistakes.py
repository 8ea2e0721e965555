"""Each mistake is found where it happens, and there are as many as TrackEval counts."""

from pathlib import Path

import numpy as np
import pytest

from helpers.walkers import make_sequence, write_results
from tracker.datasets.mot import MotSequence, results
from tracker.evaluation.mistakes import find_mistakes
from tracker.evaluation.tracking import score


def table(ids: dict[int, int | None]) -> np.ndarray:
    """One object standing still, in each frame under an id or (None) not found."""
    return np.array([[f, i, 10, 20, 30, 60, 1] for f, i in ids.items() if i is not None], float).reshape(-1, 7)


TRUTH = np.array([[f, 3, 10, 20, 30, 60, 1, 1, 1] for f in range(1, 7)], float)
FAR = np.array([[f, 99, 500, 20, 30, 60, 1] for f in range(1, 7)], float)  # a false track: no frame is without tracks


@pytest.mark.parametrize(
    ("case", "ids", "expected"),
    [
        ("followed throughout", dict.fromkeys(range(1, 7), 1), []),
        ("found late", {3: 1, 4: 1, 5: 1, 6: 1}, []),
        ("another id at once", {1: 1, 2: 1, 3: 2, 4: 2, 5: 2, 6: 2}, [(2, 3, 1, 2, False)]),
        ("the same id after a gap", {1: 1, 2: 1, 5: 1, 6: 1}, [(2, 5, 1, 1, True)]),
        ("another id after a gap", {1: 1, 4: 2, 5: 2, 6: 2}, [(1, 4, 1, 2, True)]),
        ("there and back", {1: 1, 2: 2, 3: 1}, [(1, 2, 1, 2, False), (2, 3, 2, 1, False)]),
    ],
)
def test_a_mistake_is_told_by_its_frames_and_ids(
    case: str, ids: dict[int, int], expected: list[tuple[int, int, int, int, bool]]
) -> None:
    tracks = np.concatenate([table(ids), FAR])
    found = find_mistakes(TRUTH, tracks[np.argsort(tracks[:, 0], kind="stable")])
    told = [(m.before, m.after, m.id_before, m.id_after, m.fragmentation) for m in found]
    assert told == expected, case
    assert all(m.truth_id == 3 for m in found)


@pytest.mark.parametrize("preproc", [True, False])
def test_there_are_as_many_as_trackeval_counts(tmp_path: Path, preproc: bool) -> None:
    make_sequence(tmp_path / "gt", "A", "{f},{i},{x},20,30,60,1,{i},1")
    rng = np.random.default_rng(2)
    rows = [
        (f, i, 100 * i + 2 * f + rng.normal(0, 5), 20 + rng.normal(0, 5), 30, 60)
        for f in range(1, 21)
        for i in (1, 2)
        if rng.random() < 0.6
    ]
    rows = [(f, i + 10 * int(rng.random() < 0.3), *box) for f, i, *box in rows]
    write_results(tmp_path / "out", "A", rows)
    counts = score(tmp_path / "gt", tmp_path / "out", preproc=preproc)["combined"]
    found = find_mistakes(
        MotSequence.read(tmp_path / "gt" / "A").ground_truth(), results(tmp_path / "out" / "A.txt"), preproc
    )
    assert counts["IDSW"] > 1 and counts["Frag"] > 1
    assert sum(m.switch for m in found) == counts["IDSW"]
    assert sum(m.fragmentation for m in found) == counts["Frag"]
