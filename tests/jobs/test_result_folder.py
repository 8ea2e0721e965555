"""Where a run writes: never over a source, never over what no run wrote, never under a name that tells a password."""

import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from helpers.clips import pan
from tracker.config import Config
from tracker.errors import OutputError
from tracker.jobs.result_folder import Output, ResultFolders, names_apart
from tracker.jobs.run import run
from tracker.tracker import Tracker

CONFIG = Config().override({"detector": {"imgsz": 160}, "appearance": {"enabled": False}, "device": "cpu"})


@pytest.fixture(scope="module")
def tracker():
    return Tracker(CONFIG)


@pytest.fixture
def clip(tmp_path):
    (tmp_path / "cam1").mkdir()
    return pan(tmp_path / "cam1" / "video.mp4", 3)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refused(sources, output, tracker, root: Path) -> str:
    before = contents(root)
    with pytest.raises(OutputError) as caught:
        run(sources, tracker, output)
    assert contents(root) == before, "nothing is written, nothing removed"
    return str(caught.value)


class TestSources:
    @pytest.mark.parametrize("video", [True, False])
    def test_a_source_in_the_place_of_the_video_is_kept(self, tracker, clip, tmp_path, video):
        said = refused([clip], Output(tmp_path, "cam1", exist_ok=True, video=video), tracker, tmp_path)
        assert said == (
            f"{clip} is a source, and results would be written in its place; choose another folder with --name or "
            "--project"
        )

    @pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to], ids=["symbolic", "hard"])
    def test_also_where_the_place_is_a_link_to_it(self, tracker, clip, tmp_path, link):
        elsewhere = tmp_path / "elsewhere.mp4"
        clip.rename(elsewhere)
        link(clip, elsewhere)
        assert "is a source" in refused([elsewhere], Output(tmp_path, "cam1", exist_ok=True), tracker, tmp_path)
        shutil.move(clip, tmp_path / "given.mp4")
        shutil.copy(elsewhere, clip)
        assert "cam1/video.mp4 is there" in refused([elsewhere], Output(tmp_path, "cam1", True), tracker, tmp_path)

    def test_also_where_the_folder_is_reached_by_a_link(self, tracker, clip, tmp_path):
        (tmp_path / "way").symlink_to(clip.parent)
        assert "is a source" in refused([clip], Output(tmp_path, "way", exist_ok=True), tracker, tmp_path)

    def test_a_source_that_comes_later_is_kept_too(self, tracker, clip, tmp_path):
        other = pan(tmp_path / "other.mp4", 3)
        (tmp_path / "both").mkdir()
        shutil.move(clip.parent, tmp_path / "both" / "other")
        later = tmp_path / "both" / "other" / "video.mp4"
        assert "is a source" in refused([other, later], Output(tmp_path, "both", exist_ok=True), tracker, tmp_path)

    def test_a_folder_of_images_is_no_folder_for_crops(self, tracker, clip, tmp_path):
        images = tmp_path / "x" / "crops"
        images.mkdir(parents=True)
        from tracker.video.source import open_source

        with open_source(clip) as source:
            import cv2

            for frame in source:
                cv2.imwrite(str(images / f"{frame.number}.jpg"), frame.image)
        assert "is a source" in refused([images], Output(tmp_path, "x", exist_ok=True, crops=True), tracker, tmp_path)
        assert "is a source" in refused([images], Output(tmp_path / "x", "crops", exist_ok=True), tracker, tmp_path)

    def test_a_source_beside_the_results_is_no_obstacle(self, tracker, clip, tmp_path):
        mine = clip.rename(clip.with_name("mine.mp4"))
        before = mine.read_bytes()
        for _ in range(2):
            (result,) = run([mine], tracker, Output(tmp_path, "cam1", exist_ok=True))
        assert result.error is None and result.frames == 3
        assert mine.read_bytes() == before


class TestUsersFiles:
    @pytest.mark.parametrize("name", ["tracks.txt", "run.yaml", "video.mp4", "video-0002.mp4"])
    def test_a_file_of_our_name_that_no_run_wrote(self, tracker, clip, tmp_path, name):
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / name).write_text("the user's")
        said = refused([clip], Output(tmp_path, "x", exist_ok=True), tracker, tmp_path)
        assert "run.yaml does not say that a run wrote it; move it, or choose another folder" in said

    def test_not_even_a_link_that_leads_nowhere(self, tracker, clip, tmp_path):
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "tracks.csv").symlink_to(tmp_path / "important.csv")
        refused([clip], Output(tmp_path, "x", exist_ok=True), tracker, tmp_path)
        assert not (tmp_path / "important.csv").exists()

    def test_pictures_in_the_folder_for_crops(self, tracker, clip, tmp_path):
        crops = tmp_path / "x" / "crops"
        crops.mkdir(parents=True)
        (crops / "bob.jpg").write_bytes(b"of a person")
        wanted = Output(tmp_path, "x", exist_ok=True, crops=True, video=False)
        (first,) = run([clip], tracker, wanted)
        written = sorted(path.name for path in crops.iterdir())
        assert "bob.jpg" in written and len(written) > 1, "what is never in the way stays where it is"
        (crops / "77.jpg").write_bytes(b"a picture of the user's under one of our names")
        assert "77.jpg is there" in refused([clip], wanted, tracker, tmp_path)
        run([clip], tracker, Output(tmp_path, "x", exist_ok=True, video=False))
        assert sorted(path.name for path in crops.iterdir()) == ["77.jpg", "bob.jpg"], "and only ours are removed"
        assert first.error is None

    def test_what_an_earlier_run_did_not_write_stays_though_it_has_our_name(self, tracker, clip, tmp_path):
        output = Output(tmp_path, "x", exist_ok=True, video=False)
        run([clip], tracker, output)
        (tmp_path / "x" / "video.mp4").write_text("the user's")
        run([clip], tracker, output)
        assert (tmp_path / "x" / "video.mp4").read_text() == "the user's"
        assert "video.mp4 is there" in refused([clip], Output(tmp_path, "x", exist_ok=True), tracker, tmp_path)

    def test_a_record_cannot_name_files_elsewhere(self, tracker, clip, tmp_path):
        (tmp_path / "x").mkdir()
        (tmp_path / "mine.txt").write_text("mine")
        (tmp_path / "x" / "run.yaml").write_text(yaml.safe_dump({"files": ["../mine.txt", "..", 3, "run.yaml"]}))
        run([clip], tracker, Output(tmp_path, "x", exist_ok=True, video=False))
        assert (tmp_path / "mine.txt").read_text() == "mine"

    def test_a_run_that_was_killed_can_be_run_again(self, tracker, clip, tmp_path):
        wanted = Output(tmp_path, "x", exist_ok=True, crops=True)
        (first,) = run([clip], tracker, wanted)
        record = yaml.safe_load((first.folder / "run.yaml").read_text())
        del record["result"]
        (first.folder / "run.yaml").write_text(yaml.safe_dump(record))
        (second,) = run([clip], tracker, wanted)
        assert second.folder == first.folder

    def test_two_sources_of_one_name_do_not_replace_each_other(self, tracker, clip, tmp_path):
        other = pan(tmp_path / "video.mp4", 2)
        for _ in range(2):
            results = run([clip, other], tracker, Output(tmp_path / "runs", exist_ok=True, video=False))
            assert [result.folder.name for result in results] == ["video", "video-2"]


class TestNames:
    @pytest.mark.parametrize(
        ("sources", "names"),
        [
            (["rtsp://10.0.0.7/a"], [""]),
            (["rtsp://10.0.0.7/a", "rtsp://10.0.0.8/a", "a.mp4"], ["", "", ""]),
            (["rtsp://h:554/a", "rtsp://h:555/a"], ["h-554", "h-555"]),
            (["rtsp://h/a/1", "rtsp://h/a/2"], ["h-a-1", "h-a-2"]),
            (["rtsp://h:1/a", "rtsp://h:1/b", "rtsp://h:2/a"], ["h-1-a", "h-1-b", "h-2-a"]),
            (
                ["rtsp://bob:x@h/cam?channel=1&pass=geheim", "rtsp://bob:x@h/cam?channel=2&pass=geheim"],
                ["h-cam-channel1", "h-cam-channel2"],
            ),
            (["http://h/user=bob&password=geheim&ch=1.sdp", "http://h/b"], ["h-user-bob-password-ch-1.sdp", "h-b"]),
            (["rtsp://h/a", "rtsp://h/a"], ["h-a", "h-a"]),
            (["rtsp://h/" + "a" * 300, "rtsp://h/b"], ["h-" + "a" * 98, "h-b"]),
            (["rtsp://h/../../etc", "rtsp://h/x"], ["h-..-..-etc", "h-x"]),
        ],
    )
    def test_what_tells_them_apart(self, sources, names):
        found = names_apart(sources)
        assert found == names

    @given(st.text("abé/?@:#&=. ", max_size=12), st.text("abé@:. ", max_size=6))
    def test_no_name_holds_a_password_or_leads_elsewhere(self, path, user):
        for name in names_apart([f"rtsp://{user}:GEHEIM@host/{path}1", f"rtsp://{user}:GEHEIM@host/{path}2"]):
            assert "GEHEIM" not in name
            assert "/" not in name and name not in (".", "..")

    def test_equal_ones_are_numbered(self, tmp_path):
        folders = ResultFolders(Output(tmp_path), ["rtsp://h/a", "rtsp://h/a"])
        assert [folders.make("h-a").name for _ in range(2)] == ["h-a", "h-a-2"]


def test_a_name_that_is_too_long_is_one_sentence(tracker, clip, tmp_path):
    with pytest.raises(OutputError, match="file name too long"):
        run([clip], tracker, Output(tmp_path, "n" * 300))


def test_a_folder_that_looks_like_a_protocol(tracker, clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run([clip], tracker, Output(Path("cam:1")))
    assert (tmp_path / "cam:1" / "video" / "video.mp4").stat().st_size > 0
