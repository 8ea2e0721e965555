"""What may come from anybody: one sentence each, little memory, and nothing outside of its folder."""

import json
import re
import time
import tracemalloc
import zipfile

import pytest

from helpers.annotated import annotations
from tracker.datasets.formats.known import FORMATS
from tracker.datasets.formats.mot_folder import folder_names
from tracker.errors import DataError

SHAPE = '<box frame="{frame}" outside="0" occluded="0" keyframe="1" xtl="{left}" ytl="0" xbr="9" ybr="9"></box>'


def cvat(frame="0", left="0", head="", stop=5, more=""):
    box = SHAPE.format(frame=frame, left=left)
    meta = f"<stop_frame>{stop}</stop_frame><original_size><width>64</width><height>48</height></original_size>"
    return (
        f'{head}<annotations><meta><task>{meta}</task></meta><track id="1" label="a">{box}{more}</track></annotations>'
    )


def coco(annotation=None, image=None, **more):
    return json.dumps(
        {
            "images": [{"id": 1, "frame_id": 0, "width": 64, "height": 48, **(image or {})}],
            "categories": [{"id": 1, "name": "a"}],
            "annotations": [
                {"image_id": 1, "category_id": 1, "track_id": 1, "bbox": [0, 0, 9, 9], **(annotation or {})}
            ],
            **more,
        }
    )


def studio(value=None, **key):
    sequence = [{"frame": 1, "x": 1, "y": 1, "width": 5, "height": 5, "enabled": True, **key}]
    region = {"type": "videorectangle", "original_width": 64, "original_height": 48}
    task = {"annotations": [{"result": [region | {"value": {"sequence": sequence, **(value or {})}}]}]}
    return json.dumps([task])


BOMB = "<!DOCTYPE a [<!ENTITY a '&#x3c;'>" + "".join(f"<!ENTITY a{n} '{'&a;' * 10}'>" for n in range(5)) + "]>"
CASES = [
    ("cvat", cvat(head=BOMB), "document type"),
    ("cvat", cvat(head='<!DOCTYPE a SYSTEM "file:///etc/passwd">'), "document type"),
    ("cvat", cvat(left="nan"), "id 1 has the box nan, 0, 9, 9 in frame 1"),
    ("cvat", cvat(left="12"), "id 1 has the box 12, 0, 9, 9 in frame 1"),
    ("cvat", cvat(left="x"), "line 1: a shape of a track has"),
    ("cvat", cvat().replace(' xbr="9"', ""), "line 1: a shape of a track lacks 'xbr'"),
    ("cvat", cvat(frame="-1"), "a frame below 0"),
    ("cvat", cvat(frame="9" * 11), "a frame below 0"),
    ("cvat", cvat(stop=10**10), "stay for"),
    ("cvat", cvat(more=SHAPE.format(frame=0, left=1)), "two boxes in frame 1"),
    ("cvat", cvat()[:-5], "no whole XML file"),
    ("cvat", "<html></html>", "no file of CVAT's"),
    ("cvat", "<annotations><image></image></annotations>", "of images, not of a video"),
    ("cvat", cvat().replace("box", "cuboid"), "kind cuboid"),
    ("cvat", "", "no whole XML file"),
    ("coco-video", coco({"bbox": [0, 0, -1, 2]}), "id 1 has the box 0, 0, -1, 2 in frame 1"),
    ("coco-video", coco().replace("[0, 0, 9, 9]", "[NaN, 0, 9, 9]"), "NaN where a number is needed"),
    ("coco-video", coco({"bbox": [0, 0, 9]}), "number 1 of annotations is not as COCO has it"),
    ("coco-video", coco({"bbox": ["a", 0, 9, 9]}), "number 1 of annotations is not as COCO has it"),
    ("coco-video", coco({"track_id": None}), "number 1 of annotations lacks 'track_id'"),
    ("coco-video", coco({"track_id": 1.5}), "has the id 1.5"),
    ("coco-video", coco({"track_id": -1}), "below the first one"),
    ("coco-video", coco({"image_id": 9}), "an image 9, which it lacks"),
    ("coco-video", coco({"category_id": 9}), "a category 9, which it lacks"),
    ("coco-video", coco({"segmentation": {"size": [48, 64], "counts": "0"}}), "a mask is"),
    ("coco-video", coco({"segmentation": {"size": [10**6, 10**6], "counts": "0"}}), "a mask is not of the frame"),
    ("coco-video", coco(images=[{"id": 1}, {"id": 1}]), "two images of one id"),
    ("coco-video", coco(image={"frame_id": 10**10}), "tells of 10000000000 frames"),
    ("coco-video", coco(image={"width": None}), "--video"),
    ("coco-video", "[" * 10**5, "where '{' was expected"),
    ("coco-video", '{"a": ' + "[" * 10**5, "nests too deep|no whole JSON"),
    ("coco-video", coco()[:-4], "no whole JSON|was expected"),
    ("coco-video", "{'a': 1}", "JSON"),
    ("coco-video", '{"a": ' + "9" * 5000, "exceeds the limit"),
    ("labelstudio", studio(frame=0.5), "no number up to"),
    ("labelstudio", studio(width=-1), "has the box"),
    ("labelstudio", studio(x="1"), "is not as Label Studio has it"),
    ("labelstudio", studio({"framesCount": 10**11}), "stay for"),
    ("labelstudio", studio().replace('"x": 1, ', ""), "lacks 'x'"),
    ("labelstudio", '[{"image": 1}]', "no task of Label Studio's"),
    ("labelstudio", "[1]", "was expected"),
    ("mots", "1 1 1 48 64 x y", "line 1 is not as MOTS has it"),
    ("mots", "1 1 1 48 64 0", "a mask is"),
    ("mots", "1 1 1 48 64 0\n1 1 1 9 9 0", "line 2 is of another size"),
]


@pytest.mark.parametrize(("name", "text", "said"), CASES)
def test_a_file_is_refused_in_one_sentence(name, text, said, tmp_path):
    path = tmp_path / f"file{FORMATS[name].suffix}"
    path.write_text(text)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=said) as caught:
            [one.annotations() for one in FORMATS[name].read(path)]
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value) and len(str(caught.value).replace(str(path), "")) < 250


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.suffix])
@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00\x01" * 100])
def test_no_file_and_no_text_are_told(name, content, tmp_path):
    if name == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(str(path))):
        FORMATS[name].read(path)


NESTED = "b0: &b0 [a]\n" + "".join(f"b{n}: &b{n} [*b{n - 1}, *b{n - 1}]\n" for n in range(1, 31))


class TestYolo:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("0 .5 .5 .1 .1\n", "has 5 numbers; expected .* a track id"),
            ("0 .5 .5 .1 .1 3\n0 .5 .5 .1 .1 3\n", "id 3 is twice in frame 1"),
            ("0 .5 .5 -.1 .1 3\n", "has the box"),
            ("0 nan .5 .1 .1 3\n", "has the box"),
            ("-1 .5 .5 .1 .1 3\n", "class -1"),
            ("0 .5 .5 .1 .1 3.5\n", "has the id 3.5"),
            ("0 .5 <b> .1 .1 3\n", "line 1 is not numbers"),
        ],
    )
    def test_a_line_is_refused_in_one_sentence(self, text, said, tmp_path):
        (tmp_path / "a_1.txt").write_text(text)
        with pytest.raises(DataError, match=said):
            [one.annotations(size=(64, 48)) for one in FORMATS["yolo"].read(tmp_path)]

    def test_nothing_is_read_outside_of_the_folder(self, tmp_path):
        (tmp_path / "secret_000001.txt").write_text("0 .5 .5 .1 .1 3\n")
        folder = tmp_path / "set"
        (folder / "labels").mkdir(parents=True)
        (folder / "labels" / "linked_1.txt").symlink_to(tmp_path / "secret_000001.txt")
        (folder / "labels" / "a_1.txt").write_text("0 .5 .5 .1 .1 4\n")
        (folder / "train.txt").write_text("../../secret_000001.jpg\n/etc/passwd_3.jpg\n")
        (folder / "data.yaml").write_text("path: ../..\ntrain: ../secret.txt\nnames: [a]\n")
        (said,) = FORMATS["yolo"].read(folder)
        assert said.annotations(size=(10, 10)).ids.tolist() == [4]

    def test_names_that_unfold_to_gigabytes_are_none(self, tmp_path):
        (tmp_path / "a_1.txt").write_text("0 .5 .5 .1 .1 4\n")
        (tmp_path / "data.yaml").write_text(f"{NESTED}names: *b30\nvideos: {{a: {{name: *b30, size: *b30}}}}\n")
        (said,) = FORMATS["yolo"].read(tmp_path)
        assert said.annotations(size=(64, 48)).class_names == ["class 0"] and said.name == "a"

    @pytest.mark.parametrize(
        "text",
        ["names: [a]\nkpt_shape: x\n", f"{NESTED}kpt_shape: *b30\n", "a: !!python/object:os.system x\n", "a: [\n"],
    )
    def test_data_yaml_is_refused_in_one_sentence(self, text, tmp_path):
        (tmp_path / "a_1.txt").write_text("0 .5 .5 .1 .1 4\n")
        (tmp_path / "data.yaml").write_text(text)
        with pytest.raises(DataError, match=r"kpt_shape|cannot be read as YAML"):
            FORMATS["yolo"].read(tmp_path)


def test_a_claim_of_a_long_sequence_takes_no_memory(tmp_path):
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "gt.txt").write_text("1,1,0,0,5,5,1,1,1\n")
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nframeRate=30\nseqLength=99999999999\nimWidth=9\nimHeight=9\n")
    with pytest.raises(DataError, match="tells of 99999999999 frames"):
        [one.annotations() for one in FORMATS["mot"].read(tmp_path)]


def test_a_zip_that_unpacks_to_one_endless_element_is_left(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("annotations.xml", "w") as file,
    ):
        file.write(b"<annotations a='")
        for _ in range(40):
            file.write(b" " * (1 << 20))
    begun = time.process_time()
    with pytest.raises(DataError, match="an element of more than 4 MiB"):
        FORMATS["cvat"].read(tmp_path / "bomb.zip")
    assert time.process_time() - begun < 5
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("../annotations.xml", "")
    with pytest.raises(DataError, match="zip without annotations"):
        FORMATS["cvat"].read(tmp_path / "other.zip")


HOSTILE = ['<script>alert("1")</script>', "a' onload='x", "]]> &amp; \x00\x08 <!--", "../../etc/passwd", "汉字\r\n"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_in_every_format(name, tmp_path):
    """Whatever XML, JSON or YAML would make of them; only what XML has no letter for is replaced there."""
    video = annotations([(1, 3, 0, 0, 9, 9)], names=(name,), name=name)
    for kind in ("cvat", "coco-video", "labelstudio", "yolo"):
        path = tmp_path / kind
        FORMATS[kind].write([video], path)
        (said,) = FORMATS[kind].read(path)
        expected = re.sub("[\x00\x08]", "\ufffd", name) if kind == "cvat" else name
        assert said.annotations().class_names == [expected], kind
    assert {path.name for path in tmp_path.iterdir()} == {"cvat", "coco-video", "labelstudio", "yolo"}


def test_names_of_folders_lead_nowhere():
    videos = [annotations([], 1, name=name) for name in ("../../up", "..", "/etc/passwd", "a/b.mp4", "b.mp4", "b", "")]
    names = folder_names(videos)
    assert names[:4] == ["up", "video", "passwd", "b"] and len(set(names)) == 7
    assert all(re.fullmatch(r"[\w+-][\w.+-]*", name) for name in names)
