"""MOTChallenge sequences as they are found: each benchmark's quirks, and errors that say what is wrong and where."""

from pathlib import Path

import numpy as np
import pytest

from tracker.datasets.mot import (
    CLASS,
    FLAG,
    ID,
    MotSequence,
    find_images,
    find_sequences,
    ground_truth,
    read_table,
    results,
    write_sequence,
)
from tracker.errors import DataError

SHARED = Path(__file__).parents[3] / "shared" / "data"
INFO = "[Sequence]\nname=x\nimDir=img1\nframeRate=25\nseqLength=10\nimWidth=640\nimHeight=480\nimExt=.jpg"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("case", "line", "identity", "flag", "label"),
    [
        ("MOT17", "1,7,10,20,30,40,0,8,0.5", 7, 0, 8),
        ("MOT15: world coordinates, no class", "1,7,10,20,30,40,1,-3.17,16.3,0.4", 7, 1, 1),
        ("MOT15: no world coordinates", "1,7,10,20,30,40,1,-1,-1,-1", 7, 1, 1),
        ("PETS: whole world coordinates", "1,7,10,20,30,40,1,4,5,0", 7, 1, 1),
        ("SportsMOT: ids from 0, spaces", "1, 0, 10, 20, 30, 40, 1, 1, 1", 0, 1, 1),
        ("six columns", "1,7,10,20,30,40", 7, 1, 1),
    ],
)
def test_ground_truth_of_every_benchmark_gets_one_shape(
    tmp_path: Path, case: str, line: str, identity: int, flag: int, label: int
) -> None:
    rows = ground_truth(write(tmp_path / "gt.txt", line + "\n"))
    assert rows.shape == (1, 9), case
    assert rows[0, :6].tolist() == [1, identity, 10, 20, 30, 40]
    assert (rows[0, FLAG], rows[0, CLASS]) == (flag, label)


def test_regions_to_ignore_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "gt.txt", "1,-1,0,0,9,9,0,9,-1\n1,-1,9,9,9,9,0,9,-1\n1,3,0,0,9,9,1,2,-1\n")
    assert ground_truth(path)[:, ID].tolist() == [3]


def test_results_are_put_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "2,1,0,0,9,9,.5,-1,-1,-1\n1,2,0,0,9,9,.5,-1,-1,-1\n1,1,9,9,9,9,.5,-1,-1,-1\n")
    assert results(path)[:, :2].tolist() == [[1, 1], [1, 2], [2, 1]]


@pytest.mark.parametrize(
    ("case", "text", "message"),
    [
        ("one id twice in a frame", "1,4,0,0,9,9,1\n2,4,0,0,9,9,1\n\n2,4,5,5,9,9,1\n", "line 4: id 4 twice in frame 2"),
        ("words", "1,4,0,0,9,9,1\n1,five,0,0,9,9,1\n", "line 2"),
        ("a line cut off", "1,4,0,0,9,9,1\n2,4,0,0\n", "line 2"),
        ("too few columns", "1,4,0,0\n", "4 columns"),
        ("frames from 0", "1,4,0,0,9,9,1\n0,4,0,0,9,9,1\n", "line 2: frames or ids"),
        ("a fraction as id", "1,4.5,0,0,9,9,1\n", "frames or ids"),
        ("no number as a box", "1,4,nan,0,9,9,1\n", "line 1: a box that is not finite"),
    ],
)
def test_a_broken_result_file_is_named_with_its_fault(tmp_path: Path, case: str, text: str, message: str) -> None:
    path = write(tmp_path / "broken.txt", text)
    with pytest.raises(DataError, match=message) as error:
        results(path)
    assert str(path) in str(error.value), case


def test_a_line_is_counted_with_those_that_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "gt.txt", "1,-1,0,0,9,9,0,9,-1\n\n1,3,0,0,inf,9,1,1,1\n")
    with pytest.raises(DataError, match="line 3: a box that is not finite"):
        ground_truth(path)


def test_the_mark_and_line_ends_of_windows_are_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "gt.txt").write_bytes("\ufeff1,4,0,0,9,9,1\r\n2,4,0,0,9,9,1\r\n".encode())
    assert results(tmp_path / "gt.txt")[:, :2].tolist() == [[1, 4], [2, 4]]
    (tmp_path / "seqinfo.ini").write_bytes(("\ufeff" + INFO.replace("\n", "\r\n")).encode())
    assert MotSequence.read(tmp_path).length > 0


def test_an_empty_file_is_an_empty_table(tmp_path: Path) -> None:
    assert len(results(write(tmp_path / "a.txt", ""))) == 0


def test_a_long_file_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are counted on from block to block, and one is as wide as the first of all."""
    monkeypatch.setattr("tracker.datasets.mot._BLOCK", 2)
    lines = [f"{frame},4,0,0,9,9,1\n" for frame in range(1, 6)]
    path = write(tmp_path / "gt.txt", "".join(lines))
    assert read_table(path)[:, 0].tolist() == [1, 2, 3, 4, 5]
    for wrong in ("5,4,0,0,9,9\n", "5,4,0,0,9,x,1\n"):
        with pytest.raises(DataError, match="line 5 is not 7 numbers like the first"):
            read_table(write(path, "".join(lines[:4]) + wrong))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.txt does not exist"):
        read_table(tmp_path / "nothing.txt")


def test_seqinfo_is_read(tmp_path: Path) -> None:
    write(tmp_path / "A" / "seqinfo.ini", INFO)
    sequence = MotSequence.read(tmp_path / "A")
    assert (sequence.name, sequence.length, sequence.fps, sequence.size) == ("A", 10, 25.0, (640, 480))
    assert sequence.images() == []


@pytest.mark.parametrize("text", ["", "[Sequence]\nname=x\n", "no ini at all", INFO.replace("=25", "=fast"),
                                  INFO.replace("=25", "=0")])  # fmt: skip
def test_a_broken_seqinfo_is_said(tmp_path: Path, text: str) -> None:
    write(tmp_path / "A" / "seqinfo.ini", text)
    with pytest.raises(DataError, match=r"seqinfo\.ini"):
        MotSequence.read(tmp_path / "A")


def test_a_root_is_a_sequence_or_a_folder_of_them(tmp_path: Path) -> None:
    for name in ("B", "A"):
        write(tmp_path / name / "seqinfo.ini", INFO)
    (tmp_path / "notes").mkdir()
    assert [s.name for s in find_sequences([tmp_path])] == ["A", "B"]
    assert [s.name for s in find_sequences([tmp_path / "B"])] == ["B"]
    with pytest.raises(DataError, match="holds no sequence"):
        find_sequences([tmp_path / "notes"])
    write(tmp_path / "more" / "D" / "gt" / "gt.txt", "")
    with pytest.raises(DataError, match=r"D has no seqinfo\.ini; write one"):
        find_sequences([tmp_path / "more"])
    with pytest.raises(DataError, match="not a folder"):
        find_sequences([tmp_path / "C"])


def test_two_sequences_of_one_name_are_refused(tmp_path: Path) -> None:
    for root in ("x", "y"):
        write(tmp_path / root / "A" / "seqinfo.ini", INFO)
    with pytest.raises(DataError, match="one name"):
        find_sequences([tmp_path / "x", tmp_path / "y"])


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "A" / "seqinfo.ini", INFO)
    like = MotSequence.read(tmp_path / "A")
    truth = np.array([[1, 0, 1.25, 2, 3, 4, 1, 3, 0.5], [2, 5, 6, 7, 8, 9, 0, 1, 1]])
    found = np.array([[1, -1, 1.25, 2, 3, 4, 0.875]])
    motion = np.random.default_rng(0).normal(size=(10, 2, 3))
    sequence = write_sequence(tmp_path / "B", like, truth, found, motion)
    assert (sequence.name, sequence.length, sequence.fps, sequence.size) == ("B", 10, 25.0, (640, 480))
    np.testing.assert_array_equal(sequence.ground_truth(), truth)
    np.testing.assert_array_equal(read_table(sequence.detection_file)[:, :7], found)
    np.testing.assert_allclose(sequence.camera_motion(), motion, rtol=1e-8)


def test_camera_motion_for_too_few_frames_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "A" / "seqinfo.ini", INFO)
    write(tmp_path / "A" / "gmc.txt", "1 1 0 0 0 1 0\n")
    with pytest.raises(DataError, match="1 lines of 7 numbers for 10 frames"):
        MotSequence.read(tmp_path / "A").camera_motion()


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data")
@pytest.mark.parametrize("folder", ["mot17", "mot15", "sportsmot/val", "kitti", "pedestrians_gt", "video"])
def test_the_research_data_is_read_whole(folder: str) -> None:
    sequences = find_sequences([SHARED / folder])
    for sequence in sequences:
        if sequence.ground_truth_file.is_file():
            truth = sequence.ground_truth()
            assert len(truth) and truth[:, 0].max() <= sequence.length and (truth[:, ID] >= 0).all()


def test_images_and_sequences_come_in_natural_order_without_what_is_hidden(tmp_path: Path) -> None:
    for name in ("walk1", "walk2", "walk10", ".walk3"):
        images = tmp_path / name / "img1"
        images.mkdir(parents=True)
        (tmp_path / name / "seqinfo.ini").write_text("[Sequence]\nseqLength=3\nframeRate=2\n")
        for file in ("1.jpg", "2.JPG", "10.png", "._1.jpg", ".DS_Store", "notes.txt"):
            (images / file).touch()
        (images / ".thumbnails").mkdir()
        (images / ".thumbnails" / "5.jpg").touch()
    sequences = find_sequences([tmp_path])
    assert [sequence.name for sequence in sequences] == ["walk1", "walk2", "walk10"]
    assert [image.name for image in sequences[0].images()] == ["1.jpg", "2.JPG", "10.png"]
    below = [image.name for image in find_images(tmp_path / "walk1", below=True)]
    assert below == ["1.jpg", "2.JPG", "10.png"]
    assert [picture.name for picture in find_images(tmp_path)] == []
