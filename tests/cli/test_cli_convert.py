"""`track convert` says in a line what was written and in one what got lost, and in one sentence what is wrong."""

import pytest

from helpers.annotated import annotations
from tracker.cli import main
from tracker.cli.finished.convert import FormatName
from tracker.datasets.formats.known import FORMATS
from tracker.datasets.mot import find_sequences


@pytest.fixture
def cvat(tmp_path):
    video = annotations([(1, 3, 0, 0, 9, 9), (2, 3, 0, 0, 9, 9)], 4, name="clip.mp4")
    FORMATS["cvat"].write([video], tmp_path / "a.xml")
    return tmp_path / "a.xml"


def said(capsys, *words):
    """Exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as left:
        main(["convert", *map(str, words)])
    printed = capsys.readouterr()
    return left.value.code, printed.out, printed.err


def test_every_format_can_be_named():
    assert [name.value for name in FormatName] == list(FORMATS)


def test_from_a_tool_goes_to_mot(cvat, tmp_path, capsys):
    code, out, err = said(capsys, cvat, "--from", "cvat", "--out", tmp_path / "mot")
    assert code == 0 and out == f"clip.mp4: 2 boxes of 1 objects in 4 frames -> {tmp_path / 'mot'}\n"
    assert err == f"note: {cvat} tells no frame rate, 25 frames/s are taken; give --video or --fps\n"
    assert find_sequences([tmp_path / "mot"])[0].length == 4


def test_what_gets_lost_is_told_in_a_line_unless_it_is_to_be_quiet(cvat, tmp_path, capsys):
    words = (cvat, "--from", "cvat", "--to", "mots", "--out", tmp_path / "x.txt")
    assert said(capsys, *words)[0] == 1
    words = (cvat, "--from", "cvat", "--to", "cvat", "--fps", 10, "--out", tmp_path / "x.xml")
    code, _, err = said(capsys, *words)
    assert (code, err) == (0, "note: cvat cannot hold, so left out: a frame rate\n")
    assert said(capsys, *words, "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["nowhere", "--out", "x"], 2, "give --to, one of cvat, coco-video"),
        (["nowhere", "--to", "cvat", "--out", "x"], 1, "give one that `track` left"),
        (["nowhere", "--to", "coco", "--out", "x"], 2, "coco"),
        (["nowhere", "--from", "cvat", "--fps", "0", "--out", "x"], 2, "fps"),
    ],
)
def test_what_is_wrong_is_one_sentence(words, code, told, capsys):
    left, out, err = said(capsys, *words)
    assert left == code and out == "" and told in err and err.startswith("error: ") and err.count("\n") == 1
