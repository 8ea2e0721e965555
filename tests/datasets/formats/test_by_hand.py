"""Files written by hand after each format's documentation: which frame is which, and what lies between keyframes."""

import json
import zipfile

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tracker.columns.carried import Columns
from tracker.columns.masks import Masks
from tracker.datasets.annotations import Annotations
from tracker.datasets.formats.known import FORMATS
from tracker.errors import DataError


def read(name, path, **more):
    (found,) = (said.annotations(**more) for said in FORMATS[name].read(path))
    return found


def rows(found):
    """Frame, id and left edge of each row."""
    return list(zip(found.frames.tolist(), found.ids.tolist(), found.xyxy[:, 0].round(3).tolist(), strict=True))


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><id>5</id><name>clip</name><size>8</size><mode>interpolation</mode><overlap>0</overlap>
<start_frame>{start}</start_frame><stop_frame>{stop}</stop_frame><frame_filter>{filter}</frame_filter>
<labels><label><name>car</name><color>#fff</color><attributes>
<attribute><name>colour</name><input_type>text</input_type></attribute></attributes></label>
<label><name>bus &amp; tram</name></label></labels>
<original_size><width>640</width><height>480</height></original_size></task><dumped>now</dumped></meta>
{tracks}</annotations>"""


def box(frame, left, outside=0, occluded=0, keyframe=1, top=0, more=""):
    return (
        f'<box frame="{frame}" outside="{outside}" occluded="{occluded}" keyframe="{keyframe}" xtl="{left}" '
        f'ytl="{top}" xbr="{left + 10}" ybr="{top + 20}" z_order="0"{more}>'
        '<attribute name="colour">red</attribute></box>'
    )


def cvat(tmp_path, tracks, start=0, stop=7, filter=""):
    path = tmp_path / "annotations.xml"
    path.write_text(CVAT.format(tracks=tracks, start=start, stop=stop, filter=filter))
    return path


class TestCvat:
    def test_counts_from_0_interpolates_between_keyframes_and_ends_where_it_is_outside(self, tmp_path):
        track = f'<track id="0" label="car">{box(0, 10)}{box(2, 20)}{box(3, 20, outside=1)}{box(5, 50)}</track>'
        found = read("cvat", cvat(tmp_path, track))
        assert rows(found) == [(1, 1, 10), (2, 1, 15), (3, 1, 20), (6, 1, 50), (7, 1, 50), (8, 1, 50)]
        assert found.keyframes.tolist() == [True, False, True, True, False, False]
        assert found.frame_count == 8 and found.size == (640, 480) and found.names == {0: "car", 1: "bus & tram"}

    def test_ids_are_kept_where_they_can_be(self, tmp_path):
        tracks = (
            f'<track id="4" label="bus &amp; tram">{box(7, 1)}</track><track id="9" label="car">{box(7, 2)}</track>'
        )
        found = read("cvat", cvat(tmp_path, tracks))
        assert found.ids.tolist() == [4, 9] and found.class_names == ["bus & tram", "car"]

    def test_every_third_frame_keeps_the_numbers_of_the_video(self, tmp_path):
        """Absolute numbers, as CVAT writes them; nothing is put into frames that were left out."""
        track = f'<track id="1" label="car">{box(0, 10)}{box(6, 30)}</track>'
        found = read("cvat", cvat(tmp_path, track, stop=9, filter="step=3"))
        assert rows(found) == [(1, 1, 10), (4, 1, 20), (7, 1, 30), (10, 1, 30)] and found.step == 3
        assert found.without_step.frames.tolist() == [1, 2, 3, 4]

    def test_other_shapes_are_the_boxes_around_them(self, tmp_path):
        shape = 'outside="0" occluded="1" keyframe="1"'
        shapes = (
            f'<polygon frame="5" {shape} points="1,2;30,4;5,60"></polygon>'
            f'<ellipse frame="6" {shape} cx="10" cy="20" rx="3" ry="4"></ellipse>'
        )
        turned = box(7, 100, top=50, more=' rotation="90"')
        found = read("cvat", cvat(tmp_path, f'<track id="1" label="car">{shapes}{turned}</track>'))
        assert found.xyxy.tolist() == [[1, 2, 30, 60], [7, 16, 13, 24], [95, 55, 115, 65]]
        assert found.occluded.tolist() == [True, True, False]

    def test_a_zip_as_cvat_exports_it(self, tmp_path):
        path = cvat(tmp_path, f'<track id="1" label="car">{box(7, 10)}</track>')
        with zipfile.ZipFile(tmp_path / "task.zip", "w") as archive:
            archive.write(path, "annotations.xml")
        assert rows(read("cvat", tmp_path / "task.zip")) == [(8, 1, 10)]

    def test_a_project_is_a_video_for_each_of_its_tasks(self, tmp_path):
        task = (
            "<task><id>{}</id><name>{}</name><size>3</size>"
            "<original_size><width>{}</width><height>9</height></original_size></task>"
        )
        path = tmp_path / "project.xml"
        path.write_text(
            f"<annotations><meta><project><id>1</id><name>all</name><tasks>{task.format(7, 'a', 10)}"
            f"{task.format(8, 'b', 20)}</tasks></project></meta>"
            f'<track id="0" label="car" task_id="8">{box(2, 5)}</track>'
            f'<track id="1" label="car" task_id="7">{box(1, 6)}{box(2, 6, outside=1)}</track></annotations>'
        )
        one, two = (said.annotations() for said in FORMATS["cvat"].read(path))
        assert (one.name, one.size, rows(one)) == ("a", (10, 9), [(2, 2, 6)])
        assert (two.name, two.size, rows(two)) == ("b", (20, 9), [(3, 1, 5)])


def coco(tmp_path, images, videos=True, **more):
    content = {
        "categories": [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}],
        "annotations": [
            {"id": i, "image_id": image["id"], "category_id": 3, "track_id": 5, "bbox": [image["id"], 2, 3, 4], **more}
            for i, image in enumerate(images, 1)
        ],
        "images": [{"video_id": 1, "width": 64, "height": 48, **image} for image in images],
    }
    if videos:
        content["videos"] = [{"id": 1, "name": "clip", "fps": 12.5}]
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(content))
    return path


class TestCocoVideo:
    def test_frames_are_in_the_order_of_their_numbers_not_of_the_list(self, tmp_path):
        images = [{"id": 70, "frame_id": 2}, {"id": 90, "frame_id": 0}, {"id": 80, "frame_id": 1}]
        found = read("coco-video", coco(tmp_path, images))
        assert rows(found) == [(1, 5, 90), (2, 5, 80), (3, 5, 70)]
        assert found.frames_per_s == 12.5 and found.class_names == ["car"] * 3
        assert found.xyxy[0].tolist() == [90, 2, 93, 6] and found.columns.masks is None

    def test_numbers_from_1_are_taken_as_they_are(self, tmp_path):
        """As ByteTrack's converters of MOTChallenge write them."""
        images = [{"id": 1, "frame_id": 1}, {"id": 2, "frame_id": 2}]
        assert read("coco-video", coco(tmp_path, images)).frames.tolist() == [1, 2]

    def test_tao_looks_at_one_frame_a_second(self, tmp_path):
        images = [{"id": 1, "frame_index": 0}, {"id": 2, "frame_index": 30}, {"id": 3, "frame_index": 60}]
        found = read("coco-video", coco(tmp_path, images))
        assert found.frames.tolist() == [1, 31, 61] and found.step == 30
        assert found.without_step.frames.tolist() == [1, 2, 3]

    @pytest.mark.parametrize(
        ("files", "frames"),
        [
            (["frame_000000.PNG", "frame_000002.PNG", "frame_000001.PNG"], [1, 3, 2]),
            (["img1/000010.jpg", "img1/000009.jpg", "img1/000001.jpg"], [10, 9, 1]),
            (["b.jpg", "c.jpg", "a.jpg"], [2, 3, 1]),
        ],
    )
    def test_without_numbers_and_videos_the_names_of_the_files_tell(self, tmp_path, files, frames):
        images = [{"id": number, "file_name": file} for number, file in enumerate(files, 1)]
        found = read("coco-video", coco(tmp_path, [{"video_id": None, **image} for image in images], videos=False))
        assert dict(zip(found.xyxy[:, 0].tolist(), found.frames.tolist(), strict=True)) == dict(
            zip([1, 2, 3], frames, strict=True)
        )

    def test_cvats_attributes_hold_the_track(self, tmp_path):
        path = coco(tmp_path, [{"id": 1, "frame_id": 0}], track_id=None, attributes={"track_id": 8, "occluded": True})
        found = read("coco-video", path)
        assert found.ids.tolist() == [8] and found.occluded.tolist() == [True]

    def test_a_mask_as_pycocotools_makes_it(self, tmp_path):
        mask = pytest.importorskip("pycocotools.mask")
        covered = np.zeros((48, 64), np.uint8, order="F")
        covered[3:9, 5:20] = 1
        encoded = mask.encode(covered)
        encoded["counts"] = encoded["counts"].decode()
        found = read("coco-video", coco(tmp_path, [{"id": 1, "frame_id": 0}], segmentation=encoded))
        np.testing.assert_array_equal(found.columns.masks.dense()[0], covered.astype(bool))


def studio(tmp_path, sequence, **more):
    value = {"framesCount": 10, "duration": 0.5, "labels": ["Cell"], "sequence": sequence}
    region = {"id": "Ab3", "type": "videorectangle", "from_name": "box", "to_name": "video", "value": value}
    size = {"original_width": 200, "original_height": 100}
    task = {"id": 1, "annotations": [{"id": 4, "result": [region | size | more]}], "data": {"video": "/data/clip.mp4"}}
    path = tmp_path / "project.json"
    path.write_text(json.dumps([task]))
    return path


def key(frame, x, enabled=True, rotation=0):
    return {
        "frame": frame,
        "enabled": enabled,
        "rotation": rotation,
        "x": x,
        "y": 10,
        "width": 5,
        "height": 20,
        "time": 0,
    }


class TestLabelStudio:
    def test_counts_from_1_in_percent_and_ends_after_what_is_not_enabled(self, tmp_path):
        found = read("labelstudio", studio(tmp_path, [key(2, 10), key(4, 20, enabled=False), key(9, 50)]))
        assert rows(found) == [(2, 1, 20), (3, 1, 30), (4, 1, 40), (9, 1, 100), (10, 1, 100)]
        assert found.xyxy[0].tolist() == [20, 10, 30, 30]
        assert found.frames_per_s == 20 and found.names == {0: "Cell"} and found.name == "/data/clip.mp4"

    def test_a_turned_box_is_the_one_around_it(self, tmp_path):
        """Turned by 90 degrees about its left top corner (20, 10): 10 wide and 20 high becomes 20 to the left."""
        found = read("labelstudio", studio(tmp_path, [key(10, 10, rotation=90)]))
        assert found.xyxy[0].round(6).tolist() == [0, 10, 20, 20]

    def test_without_a_size_the_video_has_to_tell_it(self, tmp_path):
        path = studio(tmp_path, [key(10, 10)], original_width=None)
        with pytest.raises(DataError, match="--video"):
            read("labelstudio", path)
        assert read("labelstudio", path, size=(400, 100)).xyxy[0].tolist() == [40, 10, 60, 30]

    def test_predictions_count_where_there_are_no_annotations(self, tmp_path):
        path = studio(tmp_path, [key(10, 10)])
        path.write_text(path.read_text().replace('"annotations"', '"annotations": [], "predictions"'))
        assert rows(read("labelstudio", path)) == [(10, 1, 20)]


class TestYolo:
    def folder(self, tmp_path, files, **about):
        (tmp_path / "labels").mkdir()
        (tmp_path / "data.yaml").write_text(yaml.safe_dump({"names": {0: "person", 2: "car"}, **about}))
        for name, text in files.items():
            (tmp_path / "labels" / name).write_text(text)
        return tmp_path

    def test_what_ultralytics_leaves_of_a_tracked_video(self, tmp_path):
        """Written by its own code; frames count from 1, and only those with objects have a file."""
        results = pytest.importorskip("ultralytics.engine.results")
        image = np.zeros((100, 200, 3), np.uint8)
        for frame, row in ((1, [20, 10, 40, 30, 7, 0.5, 2]), (3, [30, 10, 50, 30, 7, 0.75, 2])):
            found = results.Results(image, "clip.mp4", {0: "person", 2: "car"}, boxes=np.array([row], np.float32))
            found.save_txt(tmp_path / "labels" / f"clip_{frame}.txt", save_conf=True)
        (tmp_path / "data.yaml").write_text("names: {0: person, 2: car}\n")
        found = read("yolo", tmp_path, size=(200, 100))
        assert rows(found) == [(1, 7, 20), (3, 7, 30)] and found.class_names == ["car", "car"]
        np.testing.assert_allclose(found.xyxy, [[20, 10, 40, 30], [30, 10, 50, 30]], atol=1e-3)
        assert found.scores.tolist() == [0.5, 0.75] and found.step == 1

    def test_numbers_from_0_are_cvats(self, tmp_path):
        files = {"frame_000000.txt": "0 0.5 0.5 0.1 0.2 4\n", "frame_000002.txt": "2 0.5 0.5 0.1 0.2 4\n"}
        found = read("yolo", self.folder(tmp_path, files), size=(100, 100))
        assert found.frames.tolist() == [1, 3] and found.xyxy[0].tolist() == [45, 40, 55, 60]

    def test_two_videos_are_told_apart_by_the_beginning_of_the_names(self, tmp_path):
        files = {"a_1.txt": "0 .5 .5 .1 .2 4\n", "b_1.txt": "0 .5 .5 .1 .2 4\n"}
        assert len(FORMATS["yolo"].read(self.folder(tmp_path, files))) == 2

    def test_points_need_their_shape(self, tmp_path):
        line = {"a_1.txt": "0 .5 .5 .1 .2 .5 .5 1 0 0 0 4\n"}
        found = read("yolo", self.folder(tmp_path, line, kpt_shape=[2, 3]), size=(100, 200))
        np.testing.assert_allclose(found.columns.keypoints[0], [[50, 100, 1], [np.nan] * 3])


class TestMot:
    def folder(self, tmp_path, rows, labels=None):
        (tmp_path / "gt").mkdir()
        (tmp_path / "gt" / "gt.txt").write_text(rows)
        (tmp_path / "seqinfo.ini").write_text(
            "[Sequence]\nname=x\nimDir=img1\nframeRate=30\nseqLength=6\nimWidth=64\nimHeight=48\nimExt=.jpg\n"
        )
        if labels:
            (tmp_path / "gt" / "labels.txt").write_text(labels)
        return tmp_path

    def test_counts_from_1_and_leaves_out_what_is_to_be_ignored(self, tmp_path):
        path = self.folder(tmp_path, "1,2,10,11,5,6,1,3,0.9\n2,2,11,11,5,6,1,3,0.2\n2,3,1,1,5,6,0,8,1\n")
        found = read("mot", path)
        assert rows(found) == [(1, 2, 10), (2, 2, 11)] and found.xyxy[0].tolist() == [10, 11, 15, 17]
        assert found.occluded.tolist() == [False, True] and found.class_names == ["car", "car"]
        assert found.frame_count == 6 and found.frames_per_s == 30
        assert rows(read("mot", path / "gt" / "gt.txt")) == rows(found)

    def test_names_of_classes_are_where_cvat_has_them(self, tmp_path):
        path = self.folder(tmp_path, "1,0,10,11,5,6,1,2,1\n", "person\nred car\n")
        found = read("mot", path)
        assert found.class_names == ["red car"] and found.ids.tolist() == [1]


class TestMots:
    @given(
        arrays.arrays(bool, st.tuples(st.integers(1, 6), st.just(5), st.just(7))),
        st.lists(st.sampled_from([0.2, 0.5, 0.9]), min_size=6, max_size=6),
        st.lists(st.integers(1, 2), min_size=6, max_size=6),
    )
    def test_a_pixel_of_several_objects_is_the_surest_one_s(self, tmp_path_factory, dense, scores, frames):
        count = len(dense)
        video = Annotations(
            frames=np.array(frames[:count]),
            ids=np.arange(1, count + 1),
            xyxy=np.zeros((count, 4)),
            classes=np.zeros(count, np.int64),
            scores=np.array(scores[:count]),
            occluded=np.zeros(count, bool),
            keyframes=np.ones(count, bool),
            times_s=np.arange(2) / 25,
            size=(7, 5),
            names={0: "car"},
            columns=Columns(masks=Masks.of(dense)),
        )
        out = tmp_path_factory.mktemp("mots") / "0001.txt"
        FORMATS["mots"].write([video], out)
        (found,) = FORMATS["mots"].read(out)
        wanted = np.zeros_like(dense)
        order = np.argsort(video.scores, kind="stable")
        for frame in (1, 2):
            owner = np.full(dense.shape[1:], -1)
            for row in order[video.frames[order] == frame].tolist():
                owner[dense[row]] = row
            for row in np.flatnonzero(video.frames == frame).tolist():
                wanted[row] = owner == row
        assert found.columns.masks is not None
        np.testing.assert_array_equal(found.columns.masks.dense(), wanted[video.by_frame.ids - 1])

    @pytest.mark.parametrize("first", [0, 1])
    def test_kitti_counts_from_0_and_the_challenge_from_1(self, tmp_path, first):
        mask = pytest.importorskip("pycocotools.mask")
        covered = np.zeros((48, 64), np.uint8, order="F")
        covered[3:9, 5:20] = 1
        letters = mask.encode(covered)["counts"].decode()
        lines = [
            f"{first} 2005 2 48 64 {letters}",
            f"{first + 1} 1001 1 48 64 {letters}",
            f"{first} 10000 10 48 64 {letters}",
        ]
        (tmp_path / "0002.txt").write_text("\n".join(lines))
        found = read("mots", tmp_path / "0002.txt")
        assert rows(found) == [(1, 2005, 5), (2, 1001, 5)] and found.class_names == ["pedestrian", "car"]
        assert found.xyxy[0].tolist() == [5, 3, 20, 9] and found.size == (64, 48)
