"""Labels in YOLO's format have one reader, whoever asks: the trainings, and what exported networks are compared on."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import ultralytics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tracker.config import Config
from tracker.datasets.yolo_labels import boxes_of, labels_of, read_labels, rows_of, write_labels
from tracker.errors import DataError
from tracker.export.calibration_data import collect as collect_sample
from tracker.train.appearance.crops import collect as collect_crops
from tracker.train.detector.dataset import _from_yolo

BUS = Path(ultralytics.__file__).parent / "assets" / "bus.jpg"


def write(file: Path, text: str | bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_rows_are_read_as_they_stand_without_blank_lines_and_what_follows_the_box(tmp_path):
    file = write(tmp_path / "a.txt", b"\xef\xbb\xbf2 0.5 0.25 0.1 0.2\r\n\r\n  0 1.005 0.5 0 1e-1 0.93 7\r\n")
    assert read_labels(file).tolist() == [[2, 0.5, 0.25, 0.1, 0.2], [0, 1.005, 0.5, 0, 0.1]]
    assert read_labels(write(tmp_path / "b.txt", " \n")).shape == (0, 5)


WRONG = [
    ("0 0.5 0.5 0.1", "line 2 is not class, x, y, width, height but '0 0.5 0.5 0.1'; mend or remove it"),
    ("0 0.5 half 0.1 0.1", "line 2 is not class, x, y, width, height but '0 0.5 half 0.1 0.1'; mend or remove it"),
    ("0.5 0.5 0.5 0.1 0.1", "line 2 has class 0.5; give a whole number from 0"),
    ("-1 0.5 0.5 0.1 0.1", "line 2 has class -1; give a whole number from 0"),
    ("nan 0.5 0.5 0.1 0.1", "line 2 has class nan; give a whole number from 0"),
    ("7 0.5 0.5 0.1 0.1", "line 2 has class 7, which has no name; name it in the dataset's YAML, or mend the line"),
    ("0 320 240 50 90", "line 2 has 320 240 50 90; give x, y, width, height as shares of the image"),
    ("0 0.5 0.5 -0.001 0.1", "line 2 has 0.5 0.5 -0.001 0.1; give x, y, width, height as shares of the image"),
    ("0 0.5 nan 0.1 0.1", "line 2 has 0.5 nan 0.1 0.1; give x, y, width, height as shares of the image"),
]


@pytest.mark.parametrize(("line", "said"), WRONG)
def test_a_mistake_is_one_sentence_with_file_and_line(tmp_path, line, said):
    file = write(tmp_path / "a.txt", f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(DataError) as refused:
        read_labels(file, classes=range(3))
    assert str(refused.value) == f"{file} {said}"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_what_is_no_text_is_said(tmp_path, content):
    file = tmp_path / "a.txt"
    write(file, content) if content else file.mkdir()
    with pytest.raises(DataError, match=r"a\.txt cannot be read \(.+\); expected lines of class"):
        read_labels(file)


def test_labels_lie_beside_images_at_the_same_place(tmp_path):
    write(tmp_path / "labels" / "train" / "a.b.txt", "1 0.5 0.5 1 1\n")
    images = tmp_path / "images"
    assert labels_of(images / "train" / "a.b.jpg", images).tolist() == [[1, 0.5, 0.5, 1, 1]]
    assert labels_of(images / "a.b.jpg", images) is None


shares = st.floats(0.01, 0.99)


@given(arrays(np.float64, (4, 4), elements=shares), st.tuples(st.integers(10, 4000), st.integers(10, 4000)))
def test_boxes_go_into_rows_and_come_back(tmp_path_factory, corners, shape):
    low, high = np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])
    xyxy = (np.hstack([low, high + 1e-3]) * [shape[1], shape[0], shape[1], shape[0]]).astype(np.float32)
    rows = rows_of(xyxy, np.arange(4), (*shape, 3))
    file = tmp_path_factory.mktemp("labels") / "a.txt"
    write_labels(file, rows)
    read = read_labels(file)
    assert read[:, 0].tolist() == rows[:, 0].tolist()
    np.testing.assert_allclose(boxes_of(read, shape), boxes_of(rows, shape), atol=2e-6 * max(shape))
    np.testing.assert_allclose(boxes_of(rows, shape), xyxy, rtol=1e-5, atol=1e-5 * max(shape))


def test_boxes_are_clipped_and_those_outside_are_left_out():
    xyxy = np.array([[-10, 0, 50, 100], [200, 0, 300, 50]], np.float32)
    assert rows_of(xyxy, np.array([3, 4]), (100, 100)).tolist() == [[3, 0.25, 0.5, 0.5, 1]]


READERS = {
    "crops": lambda folder: collect_crops([folder]),
    "a detector's training": lambda folder: list(_from_yolo(folder, {0: "person"}, {0: "person"})),
    "a calibration set": lambda folder: collect_sample(str(folder / "images"), Config(), 2),
}


@pytest.mark.parametrize("reader", READERS)
def test_all_who_read_labels_say_the_same_of_a_mistake(tmp_path, reader):
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.jpg"), cv2.imread(str(BUS)))
    file = write(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.4 0.4\n\n0 0.5 0.5 0.4 wide\n")
    with pytest.raises(DataError) as refused:
        READERS[reader](tmp_path)
    assert str(refused.value).startswith(f"{file} line 3 is not class, x, y, width, height but '0 0.5 0.5 0.4 wide'")
    file.write_text("0 0.5 0.5 0.4 0.4\n\n0 0.2 0.5 0.3 0.4\n")
    assert READERS[reader](tmp_path)
