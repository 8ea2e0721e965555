"""`track identities`: find, ask and delete, on the command line."""

import json

import pytest

from helpers.galleries import video_of
from tracker.cli import main
from tracker.jobs.batch.storage import gallery_at


def identities(capsys, *words):
    """Exit code, stdout and stderr of a command."""
    with pytest.raises(SystemExit) as end:
        main(["identities", *map(str, words)])
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


@pytest.fixture
def gallery(tmp_path):
    for source, people in {"/in/a.mp4": [1, 2], "/in/b.mp4": [2]}.items():
        gallery_at(str(tmp_path)).add(video_of(source, people))
    return tmp_path


def test_finds_asks_and_deletes(gallery, capsys):
    code, out, err = identities(capsys, gallery)
    assert (code, err) == (0, "")
    assert out == f"2 identities of 3 tracks in 2 videos, 1 of them in more than one\n  {gallery}/identities.csv\n"
    code, out, _ = identities(capsys, gallery, "--identity", 2)
    assert code == 0
    assert [line.split(", ")[0] for line in out.splitlines()] == ["a: person 2", "b: person 1"]
    assert [row["source"] for row in json.loads(identities(capsys, gallery, "--identity", 2, "--json")[1])] == [
        "/in/a.mp4",
        "/in/b.mp4",
    ]
    code, out, err = identities(capsys, gallery, "--forget-identity", 2, "--json")
    assert (code, err) == (0, "deleted 2 tracks of identity 2\n")
    assert json.loads(out) == {"videos": 2, "tracks": 1, "identities": 1, "shared": 0, "left_out": 0}
    code, _, err = identities(capsys, gallery, "--forget-video", "/in/a.mp4", "--quiet")
    assert (code, err) == (0, "")
    assert (gallery / "identities.csv").read_text().splitlines() == [
        "identity,video,id,name,first_s,last_s,similarity,confidence,source"
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--identity", "9"], "has no identities.csv yet; run track identities"),
        (["--forget-video", "c.mp4"], "knows no video as c.mp4; give the source, as identities.csv has it"),
    ],
)
def test_a_mistake_is_one_sentence(words, said, gallery, capsys):
    code, out, err = identities(capsys, gallery, *words)
    assert code and out == "" and err.startswith("error: ") and said in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "wrong", [("--forget-identity", 9), ("--forget-video", "c.mp4"), ("--forget-identity", 9, "--forget-video", "a")]
)
def test_nothing_is_deleted_where_not_all_is_there(wrong, gallery, capsys):
    identities(capsys, gallery)
    before = {path: path.read_bytes() for path in gallery.rglob("*.*")}
    code, _, err = identities(capsys, gallery, "--forget-identity", 1, "--forget-video", "b", *wrong)
    assert code and len(err.splitlines()) == 1
    assert {path: path.read_bytes() for path in gallery.rglob("*.*")} == before


def test_a_video_may_be_named_twice(gallery, capsys):
    code, _, err = identities(capsys, gallery, "--forget-video", "a", "--forget-video", "/in/a.mp4")
    assert (code, err) == (0, "deleted 2 tracks of video /in/a.mp4\n")


def test_a_folder_that_is_none_is_said(tmp_path, capsys):
    code, _, err = identities(capsys, tmp_path / "nowhere")
    assert code and "error: " in err
    assert not (tmp_path / "nowhere").exists()
