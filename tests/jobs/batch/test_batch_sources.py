"""Which videos a batch is of."""

import os
from pathlib import Path

import pytest

from tracker.errors import DataWarning, UsageError
from tracker.jobs.batch.sources import folders, listed


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Videos of two cameras, a folder of pictures, a MOTChallenge sequence, and what is no source."""
    monkeypatch.chdir(tmp_path)
    names = "door/10.mp4 door/2.MP4 yard/2.mp4 yard/notes.md pictures/1.jpg MOT/img1/1.jpg .hidden/3.mp4 door/._2.mp4"
    for name in names.split():
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "archive"


def found(*given: str) -> list[str]:
    return [os.path.relpath(name, "archive") for name in listed(given)]


ALL = ["door/2.MP4", "door/10.mp4", "MOT", "pictures", "yard/2.mp4"]


class TestASource:
    def test_is_every_video_and_every_folder_of_images_of_a_folder_in_natural_order(self, archive):
        assert found("archive") == ALL

    def test_is_what_a_glob_matches(self, archive):
        assert found("archive/**/*.mp4") == ["door/10.mp4", "yard/2.mp4"]

    def test_is_a_line_of_a_text_file(self, archive):
        Path("list.txt").write_text(
            "\ufeff# of May\n\narchive/yard/2.mp4\n  archive/door\nhttps://host/x.mp4\n", encoding="utf-8"
        )
        assert list(listed(["list.txt"]))[-1] == "https://host/x.mp4"
        assert found("list.txt")[:-1] == ["yard/2.mp4", "door/2.MP4", "door/10.mp4"]

    def test_is_once_there_however_often_it_is_given(self, archive):
        assert found("archive/door/10.mp4", "archive/door/../door/10.mp4", str(archive)) == [
            "door/10.mp4",
            "door/2.MP4",
            *ALL[2:],
        ]

    def test_that_a_list_names_and_is_not_there_is_one_all_the_same_and_fails_in_its_turn(self, archive):
        Path("list.txt").write_text("archive/gone.mp4\n")
        assert found("list.txt") == ["gone.mp4"]

    def test_behind_a_link_is_found_and_a_link_that_leads_back_ends(self, archive, tmp_path):
        (tmp_path / "disk").mkdir()
        (tmp_path / "disk" / "1.mp4").write_bytes(b"x")
        (archive / "more").symlink_to(tmp_path / "disk")
        (archive / "yard" / "round").symlink_to(archive)
        assert found("archive") == [*ALL[:2], "more/1.mp4", *ALL[2:]]

    def test_that_a_run_left_is_none(self, archive):
        for name in ("video.mp4", "tracks.txt"):
            (archive / "yard" / name).write_bytes(b"x")
        (archive / "yard" / "run.yaml").write_text("files: [video.mp4, tracks.txt, run.yaml]\n")
        assert found("archive/**/*.mp4") == ["door/10.mp4", "yard/2.mp4"]
        with pytest.raises(UsageError, match="results of earlier runs"):
            listed(["archive/yard/video.mp4"])

    def test_that_a_run_keeps_until_it_ends_is_none(self, archive):
        run = archive / "yard" / "run"
        for name in (
            "unfinished/video.mp4",
            "unfinished/offline/video.mp4",
            "unfinished/offline/crops/1.mp4",
            "own.mp4",
        ):
            (run / name).parent.mkdir(parents=True, exist_ok=True)
            (run / name).write_bytes(b"x")
        (run / "run.yaml").write_text("files: [video.mp4, run.yaml, unfinished]\n")
        assert found("archive/**/*.mp4") == ["door/10.mp4", "yard/2.mp4", "yard/run/own.mp4"]

    def test_shows_no_secret(self, archive):
        assert list(listed(["https://me:secret@host/a.mp4?token=1"])) == ["https://me:***@host/a.mp4?..."]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
    def test_that_may_not_be_read_is_said(self, archive):
        (archive / "door").chmod(0)
        with pytest.warns(DataWarning, match="door"):
            listed(["archive"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(["0"], "0 is live", id="camera"),
        pytest.param(["rtsp://me:secret@host/live"], r"rtsp://me:\*\*\*@host/live is live", id="stream"),
        pytest.param(["archive/*.nothing"], "no file matches", id="a glob of nothing"),
        pytest.param(["archive/yard/empty"], "holds no video and no images", id="an empty folder"),
        pytest.param(["archive/yard/none.txt"], "no file archive/yard/none.txt; check", id="a list that is not there"),
        pytest.param(["archive/yard", "archive/gone.mp4"], "no file archive/gone.mp4", id="a file that is not there"),
        pytest.param(["archive/yrd/2.mp4"], "there is no folder archive/yrd", id="a folder that is not there"),
        pytest.param(["archive/yard/blank.txt"], "lists no source", id="a list of nothing"),
        pytest.param(["https://host/a?id=1", "https://host/a?id=2"], "given twice", id="URLs that look alike"),
    ],
)
def test_what_can_be_none_is_said_before_anything_begins(given, said, archive):
    (archive / "yard" / "empty").mkdir()
    (archive / "yard" / "blank.txt").write_text("\n# nothing\n")
    with pytest.raises(UsageError, match=said) as caught:
        listed(given)
    assert len(str(caught.value).splitlines()) == 1


class TestTheFolderOfASource:
    def test_stays_when_others_are_added(self):
        names = [f"/{place}/{name}.mp4" for place in ("a", "b", "c/b") for name in ("1", "2", "A")]
        all_of_them = folders(names)
        assert len(set(all_of_them.values())) == len(names)
        for count in range(len(names)):
            assert folders(names[:count]).items() <= all_of_them.items()

    def test_is_told_apart_without_case_and_is_no_file_of_the_batch(self):
        assert folders(["/x/Batch.csv", "/x/a.mp4", "/y/A.mp4"], ["batch.csv"]) == {
            "/x/Batch.csv": "x-Batch.csv",
            "/x/a.mp4": "a",
            "/y/A.mp4": "y-A",
        }
