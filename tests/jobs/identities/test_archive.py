"""The gallery of an archive: a file a video, whole at any time, in whatever order they come, and deleted when asked."""

import csv
import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracker
from helpers.galleries import video_of
from tracker.errors import DataError, OutputError, UsageError
from tracker.jobs.batch.storage import gallery_at
from tracker.jobs.identities.archive import TABLE
from tracker.jobs.identities.finding import find_identities
from tracker.jobs.identities.video_embeddings import VideoEmbeddings

PEOPLE = {"/in/a.mp4": [1, 2, 3], "/in/b.mp4": [2, 4], "/in/c.mp4": [3, 1, 5], "/other/a.mp4": [2]}


def filled(folder):
    archive = gallery_at(str(folder))
    for source, people in PEOPLE.items():
        archive.add(video_of(source, people))
    return archive


def same(one: VideoEmbeddings, other: VideoEmbeddings) -> bool:
    return all(np.array_equal(value, vars(other)[name]) for name, value in vars(one).items())


def tracks(folder):
    with (folder / TABLE).open(newline="") as file:
        return {(row["source"], int(row["id"])): int(row["identity"]) for row in csv.DictReader(file)}


@pytest.fixture(params=["a folder", "an object storage"])
def archive(request, tmp_path):
    if request.param == "a folder":
        return filled(tmp_path)
    pytest.importorskip("fsspec")
    return filled(f"memory://{tmp_path.name}")


def test_what_is_added_is_there_once_in_one_order(archive):
    archive.add(video_of("/in/b.mp4", [4]))
    videos = {video.source: video for video in archive.videos()}
    assert list(videos) == [video.source for video in archive.videos()]
    assert videos.keys() == PEOPLE.keys()
    assert same(videos["/in/b.mp4"], video_of("/in/b.mp4", [4])), "it replaces what it added before"
    assert same(videos["/in/a.mp4"], video_of("/in/a.mp4", [1, 2, 3]))


def test_identities_are_found_and_asked_for(archive):
    found = find_identities(archive)
    assert (found.videos, found.tracks, found.identities, found.shared, found.left_out) == (4, 9, 5, 3, 0)
    (second,) = {row["identity"] for row in archive.rows() if (row["source"], row["id"]) == ("/in/b.mp4", "1")}
    there = {(row["source"], row["id"]) for row in archive.rows(int(second))}
    assert there == {("/in/a.mp4", "2"), ("/in/b.mp4", "1"), ("/other/a.mp4", "1")}
    with pytest.raises(UsageError, match="no identity 6; they are from 1 to 5"):
        archive.rows(6)


def test_a_video_is_deleted_with_all_that_it_added(archive):
    assert archive.forget_video("/in/a.mp4") == 3
    assert [video.source for video in archive.videos()].count("/in/a.mp4") == 0
    find_identities(archive)
    assert {row["source"] for row in archive.rows()} == PEOPLE.keys() - {"/in/a.mp4"}


def test_an_identity_is_deleted_in_every_video(archive):
    find_identities(archive)
    (second,) = {row["identity"] for row in archive.rows() if (row["source"], row["id"]) == ("/in/b.mp4", "1")}
    assert archive.forget_identity(int(second)) == 3
    left = {video.source: video for video in archive.videos()}
    assert {source: video.ids.tolist() for source, video in left.items()} == {
        "/in/a.mp4": [1, 3],
        "/in/b.mp4": [2],
        "/in/c.mp4": [1, 2, 3],
        "/other/a.mp4": [],
    }
    before = video_of("/in/b.mp4", [2, 4])
    assert np.array_equal(left["/in/b.mp4"].embeddings, before.embeddings[before.track == 1])
    assert left["/in/b.mp4"].track.tolist() == [0, 0, 0]
    assert left["/in/b.mp4"].stays.tolist() == [[0, 0, 10]]


@settings(max_examples=8)
@given(st.permutations(list(PEOPLE)), st.sets(st.sampled_from(list(PEOPLE))))
def test_the_bytes_are_those_of_the_videos_that_are_there_whatever_came_and_went(tmp_path_factory, order, gone):
    folder, again = (tmp_path_factory.mktemp(name) for name in ("one", "other"))
    for source in order:
        gallery_at(str(folder)).add(video_of(source, PEOPLE[source]))
    for source in sorted(gone):
        gallery_at(str(folder)).forget_video(source)
    for source in PEOPLE.keys() - gone:
        gallery_at(str(again)).add(video_of(source, PEOPLE[source]))
    for place in (folder, again):
        find_identities(gallery_at(str(place)))
    assert files(folder) == files(again)
    assert {source for source, _ in tracks(folder)} == PEOPLE.keys() - gone


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_cannot_be_told_apart_is_not_deleted(tmp_path):
    archive = filled(tmp_path)
    with pytest.raises(UsageError, match="knows several videos as a; give the source"):
        archive.forget_video("a")
    with pytest.raises(UsageError, match="knows no video as d"):
        archive.forget_video("d")
    assert archive.forget_video("b") == 2


def test_processes_may_write_at_once_also_the_same_video(tmp_path):
    code = (
        "import sys; from helpers.galleries import video_of; from tracker.jobs.batch.storage import gallery_at\n"
        "for turn in range(5):\n"
        "    for source in ('/in/same.mp4', f'/in/{sys.argv[2]}-{turn}.mp4'):\n"
        "        gallery_at(sys.argv[1]).add(video_of(source, [1, 2]))\n"
    )
    places = Path(tracker.__file__).parents[1], Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))}
    started = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], env=environment) for name in "xy"]
    assert [process.wait(timeout=100) for process in started] == [0, 0]
    assert len(list(gallery_at(str(tmp_path)).videos())) == 11
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize(
    "damage", [lambda content: content[: len(content) // 2], lambda content: b"", lambda content: b"\x80" * 100]
)
def test_a_damaged_file_is_one_sentence(damage, tmp_path):
    filled(tmp_path)
    (file,) = (tmp_path / "videos").glob("b-*")
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=r"b-\w+.safetensors holds no embeddings of a video: .*; delete it"):
        find_identities(gallery_at(str(tmp_path)))


def test_arrays_that_do_not_fit_are_not_taken(tmp_path):
    video = video_of("/in/a.mp4", [1, 2])
    for name, value in (("track", video.track + 1), ("ids", video.ids[:1]), ("first_s", video.first_s * np.nan)):
        path = tmp_path / name
        path.write_bytes(VideoEmbeddings(**{**vars(video), name: value}).to_bytes())
        with pytest.raises(DataError, match="its arrays do not fit together"):
            VideoEmbeddings.read(path)


def test_a_table_that_no_gallery_has_made_stays(tmp_path):
    (tmp_path / TABLE).write_text("mine")
    with pytest.raises(OutputError, match="choose another --gallery"):
        find_identities(filled(tmp_path))
    assert (tmp_path / TABLE).read_text() == "mine"


def test_a_folder_without_a_table_says_what_makes_one(tmp_path):
    with pytest.raises(UsageError, match="run track identities"):
        gallery_at(str(tmp_path)).rows()


@pytest.mark.parametrize("line", ["1,a", "1,a,x,person,0.0000,10.0000,,,/in/a.mp4", "one,a,1,person,0,1,,,/in/a.mp4"])
def test_a_damaged_table_is_one_sentence(line, tmp_path):
    find_identities(archive := filled(tmp_path))
    with (tmp_path / TABLE).open("a") as file:
        file.write(line)
    for asked in (archive.rows, archive.forget_identity):
        with pytest.raises(DataError, match="is damaged; run track identities"):
            asked(1)


def test_an_identity_of_before_a_video_came_again_is_not_deleted(tmp_path):
    """Its tracks have other ids by now, which may be those of somebody else."""
    find_identities(archive := filled(tmp_path))
    archive.add(video_of("/in/b.mp4", [4, 2], [(1.0, 9.0), (2.0, 8.0)]))
    before = files(tmp_path)
    with pytest.raises(UsageError, match="has changed since its"):
        archive.forget_identity(2)
    archive.forget_video("/in/b.mp4")
    with pytest.raises(UsageError, match="has changed since its"):
        archive.forget_identity(2)
    assert files(tmp_path).items() <= before.items()
    find_identities(archive)
    assert archive.forget_identity(2) == 2


def test_a_name_with_line_breaks_is_found_again(tmp_path):
    archive = gallery_at(str(tmp_path))
    archive.add(video_of("/in/a\rb\r\nc\n.mp4", [1]))
    find_identities(archive)
    assert archive.forget_identity(1) == 1


KILLED = """
import os, pathlib, signal, sys
from helpers.galleries import video_of
from tracker.jobs.batch.storage import gallery_at
pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # all is written, and has no name yet
gallery_at(sys.argv[1]).add(video_of("/in/a.mp4", [1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no signal kills there")
def test_what_a_killed_writer_left_is_cleared_by_the_next_one_and_nothing_else(tmp_path):
    path = os.pathsep.join(map(str, (Path(tracker.__file__).parents[1], Path(__file__).parents[2])))
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], env=os.environ | {"PYTHONPATH": path}, check=False)
    videos = tmp_path / "videos"
    (left,) = videos.iterdir()
    assert left.name.startswith(".") and left.name.endswith(".safetensors")
    alive, mine = videos / f".{32 * 'a'}.b.safetensors", videos / ".mine.safetensors"
    alive.touch()
    mine.touch()
    for path in (left, mine):
        os.utime(path, (time.time() - 2 * 3600,) * 2)
    gallery_at(str(tmp_path)).add(video_of("/in/c.mp4", [2]))
    found = {path for path in videos.iterdir() if path.name.startswith(".")}
    assert found == {alive, mine}, "of a writer at work, and a user's own"
    assert [video.source for video in gallery_at(str(tmp_path)).videos()] == ["/in/c.mp4"]


def test_a_draft_at_work_stays_where_there_are_no_locks(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refused(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    write = Path.write_bytes

    def write_slowly(path, content):
        write(path, content)
        monkeypatch.setattr(Path, "write_bytes", write)
        gallery_at(str(tmp_path)).add(video_of("/in/b.mp4", [2]))  # another machine, meanwhile

    monkeypatch.setattr(Path, "write_bytes", write_slowly)
    gallery_at(str(tmp_path)).add(video_of("/in/a.mp4", [1]))
    assert {video.source for video in gallery_at(str(tmp_path)).videos()} == {"/in/a.mp4", "/in/b.mp4"}


def test_what_cannot_be_cleared_keeps_nobody_from_writing(tmp_path):
    stays = tmp_path / "videos" / f".{32 * 'a'}.b.safetensors"
    (stays / "in it").mkdir(parents=True)  # as with another user's, for whoever runs the tests
    os.utime(stays, (0, 0))
    gallery_at(str(tmp_path)).add(video_of("/in/a.mp4", [1]))
    assert [video.source for video in gallery_at(str(tmp_path)).videos()] == ["/in/a.mp4"]


def test_a_gallery_is_looked_at_once_for_all_videos_of_a_process(archive, monkeypatch):
    archive.require_usable()
    monkeypatch.setattr(type(archive), "_table", lambda _: pytest.fail("the table is read again"))
    archive.of_source("/in/b.mp4").require_usable()
