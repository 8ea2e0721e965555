"""How late a result file was written is said where its record says so, and rows under wrong numbers are found."""

from dataclasses import asdict
from pathlib import Path

import pytest

from helpers.walkers import LENGTH, make_sequence, perfect, write_results
from tracker.datasets.mot import MotSequence, find_sequences
from tracker.evaluation.lateness import Lateness, lateness, told

SHARED = Path(__file__).parents[3] / "shared"


@pytest.fixture
def sequence(tmp_path: Path) -> MotSequence:
    make_sequence(tmp_path / "gt", "A")
    return MotSequence.read(tmp_path / "gt" / "A")


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("sequences: {A: .}\nstrict_online: true\noffline: false\n", "strictly online"),
        (
            "sequences: {A: .}\nstrict_online: false\noffline: false\nconfig: {bank: {report_delay_s: 0.5}}\n",
            "0.5 s late",
        ),
        (
            "sequences: {A: .}\nstrict_online: false\noffline: false\nconfig: {bank: {report_delay_s: 0}}\n",
            "strictly online",
        ),
        (
            "sequences: {A: .}\nstrict_online: false\noffline: true\nconfig: {bank: {report_delay_s: 0.5}}\n",
            "offline",
        ),
        ("sequences: {B: .}\nstrict_online: true\noffline: false\n", "unknown"),
        ("source: {given: video.mp4}\nconfig: {bank: {report_delay_s: 0.5}}\n", "unknown"),
        ("sequences: {A: .}\nstrict_online: false\noffline: false\n", "unknown"),
        ("of another program: [", "unknown"),
        ("- a list", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_record_beside_a_file_says_how_late_it_was_written(
    sequence: MotSequence, tmp_path: Path, record: str | None, words: str
) -> None:
    write_results(tmp_path / "out", "A", perfect())
    if record is not None:
        (tmp_path / "out" / "run.yaml").write_text(record)
    assert str(lateness(tmp_path / "out" / "A.txt", sequence)) == words


@pytest.mark.parametrize("shift", [9, -9])
def test_boxes_under_the_number_of_another_frame_are_found(sequence: MotSequence, tmp_path: Path, shift: int) -> None:
    write_results(tmp_path, "A", [(f + shift, *row) for f, *row in perfect() if 1 <= f + shift <= LENGTH])
    found = lateness(tmp_path / "A.txt", sequence)
    assert found == Lateness("unknown", None, shift, pytest.approx(shift / 25))
    assert str(found) == f"unknown, boxes numbered 9 frames (0.36 s) too {'late' if shift > 0 else 'early'}"


def test_nothing_is_said_of_objects_that_stand_still(tmp_path: Path) -> None:
    make_sequence(tmp_path / "gt", "A", "{f},{i},{i}00,20,30,60,1,1,1")
    write_results(tmp_path, "A", [(f, i, 100 * i, 20, 30, 60) for f in range(9, LENGTH + 1) for i in (1, 2)])
    assert lateness(tmp_path / "A.txt", MotSequence.read(tmp_path / "gt" / "A")).shift_frames == 0


def test_an_empty_file_is_not_shifted(sequence: MotSequence, tmp_path: Path) -> None:
    write_results(tmp_path, "A", [])
    assert lateness(tmp_path / "A.txt", sequence) == Lateness("unknown", None)


def test_of_a_folder_that_is_said_which_holds_for_most_and_then_which_files_differ() -> None:
    online, late, shifted = (
        asdict(late)
        for late in (Lateness("online", 0.0), Lateness("fixed lag", 0.5), Lateness("unknown", None, 15, 0.5))
    )
    assert told({"A": late, "B": late}) == "0.5 s late"
    assert told({"A": online, "B": late, "C": shifted, "D": late}) == (
        "0.5 s late; but A: strictly online; but C: unknown, boxes numbered 15 frames (0.5 s) too late"
    )
    assert told({}) == ""


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared")
def test_half_a_second_is_found_on_mot17_and_nothing_where_nothing_is(tmp_path: Path) -> None:
    """The detections of the benchmark, with misses and false alarms, numbered right and half a second late."""
    for sequence in find_sequences([SHARED / "data" / "mot17"])[2:4]:
        lines = [line.split(",") for line in sequence.detection_file.read_text().splitlines()]
        for late in (0, round(sequence.fps / 2)):
            rows = [
                (int(frame) + late, number, *map(float, row[:4]))
                for number, (frame, _, *row) in enumerate(lines)
                if int(frame) + late <= sequence.length
            ]
            write_results(tmp_path, sequence.name, rows)
            found = lateness(tmp_path / f"{sequence.name}.txt", sequence).shift_frames
            assert found == pytest.approx(late, abs=late and 1), sequence.name
