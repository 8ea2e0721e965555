"""Other people's readers find in our files what we wrote.

Datumaro is no part of the extras: it pins another OpenCV and an older pandas than ours. Where it is installed (with
`pip install --no-deps datumaro` and what it imports), these tests run.
"""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from ultralytics.data.utils import verify_image_label

from helpers.annotated import annotations
from tracker.columns.carried import Columns
from tracker.columns.masks import Masks
from tracker.datasets.formats.known import FORMATS

NAMES = ("person", 'a "b" <c> & ü')


def covered(*boxes):
    masks = np.zeros((len(boxes), 48, 64), bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return masks


BOXES = [(2, 3, 12, 20), (30, 5, 40, 30), (3, 4, 13, 21), (5, 6, 15, 23)]
VIDEO = annotations(
    [
        (1, 7, *BOXES[0], 0, 0.5),
        (1, 9, *BOXES[1], 1, 0.75),
        (2, 7, *BOXES[2], 0, 0.5, True),
        (4, 7, *BOXES[3], 0, 1.0),
    ],
    6,
    NAMES,
    Columns(masks=Masks.of(covered(*BOXES)), keypoints=np.ones((4, 3, 3), np.float32)),
    name="clip.mp4",
)


def written(name, tmp_path, video=VIDEO):
    path = tmp_path / f"out{FORMATS[name].suffix}"
    FORMATS[name].write([video], path)
    return path


def told(items, key="track_id"):
    """Frame from 1, id, label, and box of whatever Datumaro reads."""
    return sorted(
        (int(frame), one.attributes[key], one.label, *one.get_bbox()) for frame, found in items.items() for one in found
    )


EXPECTED = [
    (frame, i, kind, left, top, right - left, bottom - top)
    for frame, i, kind, (left, top, right, bottom) in zip([1, 1, 2, 4], [7, 9, 7, 7], [0, 1, 0, 0], BOXES, strict=True)
]


def test_datumaro_reads_cvat(tmp_path):
    base = pytest.importorskip("datumaro.plugins.data_formats.cvat.base", exc_type=ImportError)
    found = base.CvatBase(str(written("cvat", tmp_path)))
    labels = found.categories()[next(iter(found.categories()))]
    assert [label.name for label in labels.items] == list(NAMES)
    items = {int(item.attributes["frame"]) + 1: item.annotations for item in found}
    outside = {frame: [one for one in shapes if one.attributes["outside"]] for frame, shapes in items.items()}
    inside = {frame: [one for one in shapes if not one.attributes["outside"]] for frame, shapes in items.items()}
    assert told(inside) == EXPECTED
    assert [(frame, one.attributes["track_id"]) for frame, shapes in sorted(outside.items()) for one in shapes] == [
        (2, 9),
        (3, 7),
        (5, 7),
    ]
    assert [one.attributes["occluded"] for one in inside[2]] == [True]


def test_datumaro_reads_mot(tmp_path):
    base = pytest.importorskip("datumaro.plugins.data_formats.mot", exc_type=ImportError)
    found = base.MotSeqBase(str(written("mot", tmp_path) / "gt" / "gt.txt"))
    items = {item.id: item.annotations for item in found}
    assert told(items) == EXPECTED and len(items) == 6
    assert items[2 if 2 in items else "2"][0].attributes["occluded"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pycocotools', of NumPy 2
def test_datumaro_and_pycocotools_read_coco(tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images").mkdir()
    path = written("coco-video", tmp_path / "annotations")
    found = coco.COCO(str(path))
    rows = found.loadAnns(found.getAnnIds())
    frames = {image["id"]: image["frame_id"] + 1 for image in found.loadImgs(found.getImgIds())}
    assert sorted((frames[r["image_id"]], r["track_id"], r["category_id"] - 1, *r["bbox"]) for r in rows) == EXPECTED
    for row in rows:
        mask = found.annToMask(row)
        left, top, width, height = map(int, row["bbox"])
        assert mask.sum() == row["area"] == width * height and mask[top, left] == 1
    base = pytest.importorskip("datumaro.plugins.data_formats.coco.base", exc_type=ImportError)
    items = {item.id: item.annotations for item in base.CocoInstancesBase(str(path))}
    ids = {frame: sorted({one.attributes["track_id"] for one in found}) for frame, found in items.items()}
    assert {frame.rpartition("/")[2]: found for frame, found in ids.items()} == {
        "000001": [7, 9],
        "000002": [7],
        "000003": [],
        "000004": [7],
        "000005": [],
        "000006": [],
    }


def test_datumaro_misses_nothing_in_coco_of_boxes_alone(tmp_path, caplog):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images").mkdir()
    path = written("coco-video", tmp_path / "annotations", replace(VIDEO, columns=Columns()))
    assert all(row["segmentation"] == [] for row in json.loads(path.read_text())["annotations"])
    base = pytest.importorskip("datumaro.plugins.data_formats.coco.base", exc_type=ImportError)
    assert sum(len(item.annotations) for item in base.CocoInstancesBase(str(path))) == 4
    assert [record.getMessage() for record in caplog.records] == []


def test_label_studios_sdk_puts_boxes_between_keyframes_where_we_do(tmp_path):
    video = pytest.importorskip(
        "label_studio_sdk._extensions.label_studio_tools.postprocessing.video", exc_type=ImportError
    )
    line = annotations(
        [(frame, 7, 2 * frame, 3, 20, 30, 0, 1, False, frame in (1, 4)) for frame in (1, 2, 3, 4)]
        + [(6, 7, 1, 1, 5, 5)],
        8,
        size=(100, 100),
    )
    (task,) = json.loads(written("labelstudio", tmp_path, line).read_text())
    (region,) = task["annotations"][0]["result"]
    assert [key["frame"] for key in region["value"]["sequence"]] == [1, 4, 6]
    (found,) = video.extract_key_frames([region])
    lefts = {key["frame"]: key["x"] for key in found["value"]["sequence"]}
    assert lefts == {
        frame: pytest.approx(left) for frame, left in zip(line.frames.tolist(), line.xyxy[:, 0], strict=True)
    }


def test_datumaro_and_ultralytics_read_yolo_without_the_ids(tmp_path):
    """No reader but ours and Ultralytics' and CVAT's own takes an id; the rest of a line is theirs."""
    folder = written("yolo", tmp_path, replace(VIDEO, columns=Columns()))
    (folder / "images" / "train").mkdir(parents=True)
    for frame in range(1, 7):
        cv2.imwrite(str(folder / "images" / "train" / f"clip_{frame:06d}.jpg"), np.zeros((48, 64, 3), np.uint8))
    for file in (folder / "labels" / "train").glob("*.txt"):
        file.write_text("".join(line.rpartition(" ")[0] + "\n" for line in file.read_text().splitlines()))
    image, label = (
        folder / kind / "train" / f"clip_000001.{end}" for kind, end in (("images", "jpg"), ("labels", "txt"))
    )
    found = verify_image_label((str(image), str(label), "", False, 2, 0, 0, False))
    np.testing.assert_allclose(found[1][:, 1:] * [64, 48, 64, 48], [[7, 11.5, 10, 17], [35, 17.5, 10, 25]], atol=1e-4)
    datumaro = pytest.importorskip("datumaro", exc_type=ImportError)
    items = {item.id: item.annotations for item in datumaro.Dataset.import_from(str(folder), "yolo")}
    boxes = [one.get_bbox() for one in items["clip_000001"]]
    np.testing.assert_allclose(sorted(boxes), [row[3:] for row in EXPECTED[:2]], atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of pandas 3
def test_motmetrics_reads_mot(tmp_path):
    motmetrics = pytest.importorskip("motmetrics", exc_type=ImportError)
    path = written("mot", tmp_path) / "gt" / "gt.txt"
    table = motmetrics.io.loadtxt(str(path), fmt="mot15-2D")
    found = [
        (f, i, kind - 1, *box)
        for (f, i), kind, *box in zip(
            table.index, *(table[c] for c in ("ClassId", "X", "Y", "Width", "Height")), strict=True
        )
    ]
    assert sorted((f, i, kind, left + 1, top + 1, w, h) for f, i, kind, left, top, w, h in found) == EXPECTED


def test_trackeval_reads_mots(tmp_path):
    datasets = pytest.importorskip("trackeval.datasets")
    video = VIDEO[VIDEO.classes == 0]
    truth = tmp_path / "gt" / "clip" / "gt"
    truth.mkdir(parents=True)
    FORMATS["mots"].write([video], truth / "gt.txt")
    (tmp_path / "results" / "ours" / "data").mkdir(parents=True)
    FORMATS["mots"].write([video], tmp_path / "results" / "ours" / "data" / "clip.txt")
    (tmp_path / "gt" / "clip" / "seqinfo.ini").write_text("[Sequence]\nseqLength=6\n")
    dataset = datasets.MOTSChallenge(
        {
            "GT_FOLDER": str(tmp_path / "gt"),
            "TRACKERS_FOLDER": str(tmp_path / "results"),
            "TRACKERS_TO_EVAL": ["ours"],
            "SEQ_INFO": {"clip": None},
            "SKIP_SPLIT_FOL": True,
            "PRINT_CONFIG": False,
        }
    )
    data = dataset.get_preprocessed_seq_data(dataset.get_raw_seq_data("ours", "clip"), "pedestrian")
    assert data["num_gt_dets"] == 3 and data["num_gt_ids"] == 1
    assert [similarity.tolist() for similarity in data["similarity_scores"] if similarity.size] == [[[1.0]]] * 3


def test_pyarrow_finds_the_units(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(written("parquet", tmp_path))
    assert table.num_rows == 4 and table["id"].to_pylist() == [7, 9, 7, 7]
    field = table.schema.field("left")
    assert field.metadata == {b"unit": b"pixels", b"meaning": b"left edge of the box; x goes to the right"}
    assert table.schema.metadata[b"width"] == b"64" and table["status"].to_pylist()[2] == "predicted"
