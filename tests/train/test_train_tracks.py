"""Reading ground-truth tracks: what is kept, and what is said about what is wrong."""

import cv2
import numpy as np
import pytest

from helpers.clips import BUS
from helpers.motion_data import write_sequence
from tracker.datasets.matching import match_detections
from tracker.errors import DataError
from tracker.train.motion.tracks import read_tracks


@pytest.fixture
def root(tmp_path):
    for number in range(3):
        write_sequence(tmp_path / "data", f"SEQ-{number}", seed=number)
    return tmp_path / "data"


def remarks_on(roots, **options):
    said = []
    tracks = read_tracks(roots, remark=said.append, **options)
    return tracks, said


def test_every_track_lies_in_one_block_of_rows(root):
    tracks, said = remarks_on([root])
    assert len(tracks) == 18 and len(tracks.xyxy) == 18 * 60
    assert (tracks.length == 60).all() and (tracks.first == 60 * np.arange(18)).all()
    assert set(tracks.fps) == {25.0} and (tracks.frame_size == [1280, 720]).all()
    assert tracks.sequences == ("SEQ-0", "SEQ-1", "SEQ-2")
    assert said == []
    steps = np.diff(tracks.xyxy[:60], axis=0)
    assert np.abs(steps).max() < 15, "the rows of one track follow each other in time"


def test_separators_and_ids_of_other_datasets_are_read_alike(tmp_path):
    one = write_sequence(tmp_path / "a", "SEQ", seed=4)
    other = write_sequence(tmp_path / "b", "SEQ", seed=4, separator=", ", first_id=0)
    ours, theirs = read_tracks([one]), read_tracks([other])
    np.testing.assert_array_equal(ours.xyxy, theirs.xyxy)
    assert len(theirs) == 6


def test_embeddings_come_from_the_images_of_sequences_that_have_some(tmp_path):
    from tracker.appearance.embedder import Embedder

    photo = cv2.imread(str(BUS))
    people = {1: (50, 400, 195, 505), 2: (222, 408, 122, 450), 3: (670, 395, 139, 485)}  # left, top, width, height
    for name in ("PLAIN", "SHOWN"):
        (tmp_path / name / "gt").mkdir(parents=True)
        (tmp_path / name / "seqinfo.ini").write_text("[Sequence]\nseqLength=4\nframeRate=10\n")
        rows = [(f, i, left + 2 * f, *box) for f in range(1, 5) for i, (left, *box) in people.items()]
        rows += [(f, 9, -500, 10, 40, 80) for f in range(1, 5)]  # outside
        text = "".join(",".join(map(str, (*row, 1, 1, 1))) + "\n" for row in rows)
        (tmp_path / name / "gt" / "gt.txt").write_text(text)
    (tmp_path / "SHOWN" / "img1").mkdir()
    for frame in range(1, 4):  # the last image is missing
        cv2.imwrite(str(tmp_path / "SHOWN" / "img1" / f"{frame:06}.png"), np.roll(photo, 2 * frame, axis=1))
    embedder = Embedder()
    tracks, said = remarks_on([tmp_path], describe=embedder)
    assert said == ["SHOWN has images: the embeddings of its 12 boxes are taken from them"]
    assert len(tracks) == 8 and tracks.embeddings.shape == (9, 512)
    for track, first in enumerate(tracks.first):
        shown = tracks.sequences[tracks.sequence[track]] == "SHOWN" and tracks.xyxy[first, 0] > 0
        rows = tracks.embedding_row[first : first + 4]
        assert (rows[:3] >= 0).tolist() == [shown] * 3 and rows[3] == -1
        if shown:
            picture = np.roll(photo, 4, axis=1)
            expected = embedder(picture, tracks.xyxy[first + 1 : first + 2])
            np.testing.assert_allclose(tracks.embeddings[rows[1:2]], expected, atol=1e-3)
    assert (read_tracks([tmp_path]).embedding_row == -1).all()


def test_rows_that_do_not_count_are_left_out(root):
    path = root / "SEQ-0" / "gt" / "gt.txt"
    path.write_text(path.read_text() + "5,-1,10,10,20,20,0,9,-1\n6,90,10,10,20,20,0,8,1\n7,91,10,10,0,20,1,1,1\n")
    tracks, said = remarks_on([root])
    assert len(tracks) == 18
    assert any("without area" in s and f"{path} line 363" in s for s in said)


def test_a_gap_stays_open(root):
    path = root / "SEQ-1" / "gt" / "gt.txt"
    path.write_text(
        "".join(line for line in path.read_text().splitlines(True) if not line.startswith(("20,2,", "21,2,")))
    )
    tracks, said = remarks_on([root])
    assert np.isnan(tracks.xyxy[:, 0]).sum() == 2
    assert any("missing for some frames" in s and "line 126" in s for s in said)


def test_only_the_first_half_or_nothing_of_a_sequence_is_read_where_asked(root):
    tracks, said = remarks_on([root], hold_out=["SEQ-0"], first_half=["SEQ-[12]"])
    assert tracks.sequences == ("SEQ-1", "SEQ-2")
    assert (tracks.length == 31).all()
    assert any("SEQ-0" in s and "held out" in s for s in said)


@pytest.mark.parametrize(
    ("lines", "remark"),
    [
        ("70,1,10,10,20,20,1,1,1\n", "after the last"),
        ("9,77,5000,10,20,20,1,1,1\n", "wholly outside"),
        ("60,55,9,9,9,9,1,1,1\n59,55,9,9,9,9,1,1,1\n", "goes back in time"),
        ("10,66,9,9,9,9,1,1,1\n20,66,9,9,9,9,1,1,1\n", "missing for some frames"),
        ("60,44,9,9,0,9,1,1,1\n", "without area"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(root, lines, remark):
    path = root / "SEQ-2" / "gt" / "gt.txt"
    path.write_text(path.read_text() + lines)
    _, said = remarks_on([root])
    number = 360 + lines.count("\n")
    assert [s for s in said if remark in s and f"{path} line {number}" in s], said
    assert all(s.count(";") >= 1 for s in said), "each says what is wrong, and what was done about it"


def test_a_sequence_without_ground_truth_is_skipped_and_none_at_all_is_an_error(root):
    (root / "SEQ-0" / "gt" / "gt.txt").unlink()
    tracks, said = remarks_on([root])
    assert tracks.sequences == ("SEQ-1", "SEQ-2")
    assert any("SEQ-0 has no gt/gt.txt" in s for s in said)
    with pytest.raises(DataError, match="no ground-truth tracks"):
        read_tracks([root / "SEQ-0"])


def test_one_video_under_two_names_is_found_even_scaled(tmp_path):
    write_sequence(tmp_path / "a", "FIRST", seed=1)
    write_sequence(tmp_path / "a", "OTHER", seed=2)
    twin = write_sequence(tmp_path / "b", "TWIN", seed=1)
    rows = np.loadtxt(twin / "gt" / "gt.txt", delimiter=",")
    rows[:, 2:6] /= 2
    np.savetxt(twin / "gt" / "gt.txt", rows[rows[:, 1] != 3], delimiter=",", fmt="%g")
    info = (twin / "seqinfo.ini").read_text()
    (twin / "seqinfo.ini").write_text(info.replace("1280", "640").replace("720", "360"))
    _, said = remarks_on([tmp_path / "a", tmp_path / "b"])
    assert len(said) == 1 and "FIRST" in said[0] and "TWIN" in said[0] and "same video" in said[0]


def test_detections_go_to_the_object_they_overlap_most_and_to_one_only():
    truth = np.array([[1, 1, 0, 0, 10, 20, 1], [1, 2, 6, 0, 10, 20, 1], [2, 1, 0, 0, 10, 20, 1]], float)
    found = np.array([[1, -1, 5, 0, 10, 20, 0.9], [1, -1, 300, 0, 10, 20, 0.8]], float)
    box, score = match_detections(truth, found)
    np.testing.assert_array_equal(box[1], [5, 0, 15, 20])
    assert score[1] == np.float32(0.9)
    assert np.isnan(box[[0, 2]]).all() and (score[[0, 2]] == 0).all()


def test_without_true_boxes_there_is_nothing_to_match():
    box, score = match_detections(np.zeros((0, 9)), np.array([[1, -1, 5, 0, 10, 20, 0.9]]))
    assert box.shape == (0, 4) and score.shape == (0,)
