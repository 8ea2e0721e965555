"""Rank-1 and mAP across gaps of time: the protocol on cases whose answer is known."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker.appearance import Embedder
from tracker.cli import main
from tracker.errors import DataError
from tracker.evaluate_appearance import Looks, looks, measure, ranks
from tracker.sequence import MotSequence


def seen(ids: list[int], frames: list[int], features: list[list[float]], classes: list[int] | None = None) -> Looks:
    rows = np.array(features, np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Looks(rows, np.array(ids), np.array(frames), np.array(classes or [1] * len(ids)), fps=1.0)


RED, GREEN, BLUE = [1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]


def test_people_who_keep_their_looks_are_all_found() -> None:
    perfect = seen([1, 2, 3] * 3, [1, 1, 1, 2, 2, 2, 3, 3, 3], [RED, GREEN, BLUE] * 3)
    row = measure([perfect], [1])["1"]
    assert row == {"queries": 6, "identities": 3, "rank1": 100, "map": 100, "rank1_error": 0}


def test_people_who_exchange_their_looks_are_not() -> None:
    rank, who = ranks(seen([1, 2, 1, 2], [1, 1, 2, 2], [RED, GREEN, GREEN, RED]), 1)
    assert rank.tolist() == [2, 2] and who.tolist() == [1, 2]
    assert measure([seen([1, 2, 1, 2], [1, 1, 2, 2], [RED, GREEN, GREEN, RED])], [1])["1"]["map"] == 50


def test_a_tie_is_not_a_hit() -> None:
    assert ranks(seen([1, 2, 1, 2], [1, 1, 2, 2], [RED] * 4), 1)[0].tolist() == [2, 2]


def test_who_is_alone_or_gone_is_not_asked_for() -> None:
    assert len(ranks(seen([1, 1], [1, 2], [RED, RED]), 1)[0]) == 0
    assert len(ranks(seen([1, 2, 3, 4], [1, 1, 2, 2], [RED, GREEN, RED, GREEN]), 1)[0]) == 0


def test_only_the_same_class_is_a_rival() -> None:
    assert len(ranks(seen([1, 2, 1, 2], [1, 1, 2, 2], [RED] * 4, [1, 2, 1, 2]), 1)[0]) == 0


@pytest.fixture
def sequence(tmp_path: Path) -> MotSequence:
    """Three coloured squares that stand still for four frames at 1 frame/s; the third half covered by a fourth."""
    folder = tmp_path / "squares"
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    image = np.full((120, 300, 3), 90, np.uint8)
    lines = []
    for identity, (left, colour) in enumerate(
        [(10, (250, 30, 30)), (80, (30, 250, 30)), (150, (30, 30, 250)), (170, 0)]
    ):
        cv2.rectangle(image, (left, 20), (left + 40, 100), colour, -1)
        lines += [f"{frame},{identity + 1},{left},20,40,80,1,1,1" for frame in range(1, 5)]
    for frame in range(1, 5):
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), image)
    (folder / "gt" / "gt.txt").write_text("\n".join(lines))
    (folder / "seqinfo.ini").write_text("[Sequence]\nseqLength=4\nframeRate=1\nimDir=img1\n")
    return MotSequence.read(folder)


def test_covered_looks_are_left_out(sequence: MotSequence) -> None:
    found = looks(sequence, Embedder())
    assert sorted(set(found.ids.tolist())) == [1, 2]
    assert found.frames.tolist() == [1, 1, 2, 2, 3, 3, 4, 4]


def test_the_command_prints_one_table_for_all_networks(
    sequence: MotSequence, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["eval-appearance", str(sequence.folder), "--gaps", "1,2", "--json", "--device", "cpu"])
    assert ended.value.code == 0
    result = json.loads(capsys.readouterr().out)
    assert result["embedded"]["gaps"]["2"]["rank1"] == 100
    assert result["embedded"]["sequences"]["squares"]["1"]["queries"] == 6


def test_a_sequence_without_images_is_named(sequence: MotSequence) -> None:
    for file in sequence.images():
        file.unlink()
    with pytest.raises(DataError, match="has no images"):
        looks(sequence, Embedder())
