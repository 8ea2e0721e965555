"""Rank-1 and mAP across gaps of time: the protocol on cases whose answer is known."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from ultralytics.utils import ASSETS

from tracker.appearance.embedder import Embedder
from tracker.appearance.similarity import EMBEDDED
from tracker.cli import main
from tracker.datasets.mot import MotSequence
from tracker.errors import DataError
from tracker.evaluation.detector_features import DetectorFeatures
from tracker.evaluation.reid import Embeddings, across_cameras, embeddings, evaluate, measure, ranks


def seen(
    ids: list[int], frames: list[int], features: list[list[float]], classes: list[int] | None = None
) -> Embeddings:
    rows = np.array(features, np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Embeddings(rows, np.array(ids), np.array(frames), np.array(classes or [1] * len(ids)), fps=1.0)


BUS = ASSETS / "bus.jpg"
RED, GREEN, BLUE = [1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]


def test_people_who_keep_their_appearance_are_all_found() -> None:
    perfect = seen([1, 2, 3] * 3, [1, 1, 1, 2, 2, 2, 3, 3, 3], [RED, GREEN, BLUE] * 3)
    row = measure([perfect], [1])["1"]
    assert row == {"queries": 6, "identities": 3, "rank1": 100, "map": 100, "rank1_error": 0}


def test_people_who_exchange_their_appearance_are_not() -> None:
    rank, identity = ranks(seen([1, 2, 1, 2], [1, 1, 2, 2], [RED, GREEN, GREEN, RED]), 1)
    assert rank.tolist() == [2, 2] and identity.tolist() == [1, 2]
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
    """Three coloured squares that stand still for four frames at 1 frame/s; the third half occluded by a fourth."""
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


def test_occluded_crops_are_left_out(sequence: MotSequence) -> None:
    found = embeddings(sequence, Embedder())
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


def test_two_weights_of_one_name_are_two_models(
    sequence: MotSequence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--gaps", "1", "--device", "cpu"]
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        shutil.copy(EMBEDDED, tmp_path / run / "appearance.safetensors")
        options += ["--model", str(tmp_path / run / "appearance.safetensors")]
    with pytest.raises(SystemExit):
        main(["eval-appearance", str(sequence.folder), *options, "--json"])
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_a_gap_that_no_two_frames_have_is_said(sequence: MotSequence, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["eval-appearance", str(sequence.folder), "--gaps", "1,2", "--stride", "2", "--device", "cpu"])
    out, err = capsys.readouterr()
    assert "embedded" in out and "no identity is seen again 1 s later" in err


def test_a_sequence_without_images_is_named(sequence: MotSequence) -> None:
    for file in sequence.images():
        file.unlink()
    with pytest.raises(DataError, match="has no images"):
        embeddings(sequence, Embedder())


class Colours:
    """A network that sees nothing but the mean colour."""

    crop_size, device = (8, 8), torch.device("cpu")

    def __call__(self, frame, xyxy):
        colour = np.float32([frame[int(t) : int(b), int(x) : int(r)].mean(axis=(0, 1)) for x, t, r, b in xyxy])
        return colour / (np.linalg.norm(colour, axis=1, keepdims=True) + 1e-9)


def picture(folder: Path, name: str, colour: tuple[int, int, int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / name), np.full((128, 64, 3), colour, np.uint8))


@pytest.mark.parametrize(
    "names",
    [
        ["0001_c1s1_1_00.png", "0001_c2s1_1_00.png", "0002_c1s1_1_00.png", "0002_c2s1_1_00.png"],
        ["0000_000_01_a_0.png", "0000_001_02_a_0.png", "0001_000_01_a_0.png", "0001_001_02_a_0.png"],
    ],
    ids=["Market-1501", "MSMT17"],
)
def test_people_who_keep_their_appearance_are_found_in_the_other_camera(tmp_path: Path, names: list[str]) -> None:
    for name, colour in zip(names, [(250, 9, 9), (240, 20, 9), (9, 250, 9), (9, 240, 30)], strict=True):
        picture(tmp_path / "test" / name[:4], name, colour)
    precision, first, identity = across_cameras(tmp_path, Colours())
    assert precision.tolist() == first.tolist() == [1, 1, 1, 1]
    assert identity.tolist() == [0, 0, 1, 1]


def test_the_same_camera_is_no_help_and_each_right_answer_counts(tmp_path: Path) -> None:
    """One person by camera 1 twice, by camera 2 red and green; somebody else is as good as red."""
    for name, colour in {
        "0001_c1s1_1_00.png": (9, 9, 250),
        "0001_c1s1_2_00.png": (9, 9, 251),
        "0001_c2s1_1_00.png": (9, 12, 250),
        "0001_c2s1_2_00.png": (9, 250, 9),
        "0002_c2s1_1_00.png": (9, 30, 250),
        "0000_c3s1_1_00.png": (9, 9, 250),
        "-1_c3s1_1_00.png": (9, 9, 250),
    }.items():
        picture(tmp_path, name, colour)
    precision, first, _ = across_cameras(tmp_path, Colours())
    assert len(precision) == 4, "person 2 was seen by one camera only"
    assert first.tolist() == [1, 1, 1, 0], "green finds the orange of somebody else first"
    assert precision[:2].tolist() == pytest.approx([(1 + 2 / 3) / 2] * 2)


def test_pictures_that_name_nobody_are_refused(tmp_path: Path) -> None:
    picture(tmp_path, "holiday.png", (1, 2, 3))
    with pytest.raises(DataError, match="two cameras"):
        across_cameras(tmp_path, Colours())


def test_cameras_are_a_row_beside_the_gaps(sequence: MotSequence, tmp_path: Path) -> None:
    for camera in (1, 2):
        for person, colour in ((1, (250, 9, 9)), (2, (9, 250, 9))):
            picture(tmp_path / "reid", f"000{person}_c{camera}s1_1_00.png", colour)
    result = evaluate([sequence], {"colours": Colours()}, [1.0], folders=[tmp_path / "reid"])["colours"]
    assert result["gaps"]["cameras"] == {"queries": 4, "identities": 2, "rank1": 100, "map": 100, "rank1_error": 0}
    assert set(result["gaps"]) == {"1", "cameras"} and set(result["sequences"]) == {"squares", "reid"}


def test_the_detectors_own_features_are_one_of_the_models(
    sequence: MotSequence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        options = ["--model", "detector", "--gaps", "1", "--device", "cpu", "--json"]
        main(["eval-appearance", str(sequence.folder), *options, "--out", str(tmp_path / "out" / "numbers.json")])
    assert ended.value.code == 0
    result = json.loads(capsys.readouterr().out)
    assert result["detector"]["gaps"]["1"]["queries"] == 6
    assert (tmp_path / "out" / "numbers.png").is_file()


def test_a_detectors_feature_is_that_of_the_cell_which_found_the_object() -> None:
    photo = cv2.imread(str(BUS))
    boxes = np.array([[48, 398, 246, 903], [221, 405, 344, 858]], np.float32)
    detector_features = DetectorFeatures()
    features = detector_features(photo, boxes)
    assert np.linalg.norm(features, axis=1) == pytest.approx([1, 1], abs=1e-5)
    np.testing.assert_allclose(detector_features(photo, boxes[1:]), features[1:], atol=1e-6)
    np.testing.assert_allclose(detector_features(photo, boxes + 2), features, atol=1e-6)
