"""Folders of labelled images, as each annotation tool leaves them, are found with their labels and names."""

import pytest

from tracker.datasets.yolo_folder import class_names, labelled_images


def filled(folder, files):
    """`folder` with these files; a name alone is an empty file."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


LAYOUTS = {
    "Ultralytics": (
        {"images/train/a.jpg": "", "labels/train/a.txt": "", "data.yaml": "names: {0: fish, 1: snail}"},
        [("images/train/a.jpg", "labels/train/a.txt")],
    ),
    "Roboflow": (
        {
            "train/images/a.jpg": "",
            "train/labels/a.txt": "",
            "valid/images/a.jpg": "",
            "data.yaml": "names: [fish, snail]\nnc: 2\n",
        },
        [("train/images/a.jpg", "train/labels/a.txt"), ("valid/images/a.jpg", "valid/labels/a.txt")],
    ),
    "Label Studio": (
        {"images/a.jpg": "", "labels/a.txt": "", "classes.txt": "fish\nsnail\n", "notes.json": "{}"},
        [("images/a.jpg", "labels/a.txt")],
    ),
    "LabelImg": (
        {"a.jpg": "", "a.txt": "", "classes.txt": "fish\r\nsnail\r\n"},
        [("a.jpg", "a.txt")],
    ),
    "LabelImg, labels in a folder of their own": (
        {"images/a.jpg": "", "labels/a.txt": "", "labels/classes.txt": "\ufefffish\nsnail\n\n"},
        [("images/a.jpg", "labels/a.txt")],
    ),
    "CVAT, YOLO 1.1": (
        {
            "obj_train_data/a.jpg": "",
            "obj_train_data/a.txt": "",
            "obj.names": "fish\nsnail\n",
            "obj.data": "classes = 2\n",
            "train.txt": "data/obj_train_data/a.jpg\n",
        },
        [("obj_train_data/a.jpg", "obj_train_data/a.txt")],
    ),
}


@pytest.mark.parametrize("tool", LAYOUTS)
def test_what_a_tool_leaves_is_found(tmp_path, tool):
    files, expected = LAYOUTS[tool]
    folder = filled(tmp_path / "images" / "mine", files)  # a folder above it that is called so says nothing
    assert class_names(folder) == {0: "fish", 1: "snail"}
    assert labelled_images(folder) == [(folder / image, folder / label) for image, label in expected]


def test_a_list_does_not_outdo_a_yaml_and_an_empty_line_of_it_is_a_class_without_a_name(tmp_path):
    folder = filled(tmp_path, {"classes.txt": "fish\n\nsnail\n", "notes.yaml": "names: []", "broken.yaml": "{"})
    assert class_names(folder) == {0: "fish", 2: "snail"}
    filled(tmp_path, {"data.yaml": "names: [carp]"})
    assert class_names(folder) == {0: "carp"}


def test_without_names_there_are_none(tmp_path):
    assert class_names(filled(tmp_path, {"classes.txt": " \n", "labels/a.txt": "0 .5 .5 .1 .1"})) is None
    assert labelled_images(tmp_path / "nowhere") == []


def test_a_single_name_is_a_class_not_its_letters(tmp_path):
    (tmp_path / "data.yaml").write_text("names: fish")
    assert class_names(tmp_path) == {0: "fish"}
