"""What a run's page asks its server, and what it is refused; only `edits.json` is ever written."""

import contextlib
import hashlib
import json
import os
import threading
import time

import cv2
import httpx
import numpy as np
import psutil
import pytest
import yaml

from helpers.crowded_runs import crowd, number_in, write_run, write_video
from helpers.finished_runs import annotated, leave_run, walking
from tracker.columns.carried import Columns
from tracker.columns.masks import Masks
from tracker.errors import DataError
from tracker.jobs.corrections.apply import apply
from tracker.jobs.corrections.edits import EditList, Rename, fingerprint
from tracker.output.crops import CropWriter
from tracker.output.draw import colour
from tracker.structures import Status, Tracks
from tracker.video.recorded.seeking import FramesByNumber
from tracker.video.source import Frame
from tracker.viewer.review import explaining
from tracker.viewer.review.reviewed_run import ReviewedRun
from tracker.viewer.review.routes import application
from tracker.web.listener import HttpListener

FRAMES = 60
ZONES = {"units": "px", "zones": {"hall": {"points": [[0, 0], [600, 0], [600, 300], [0, 300]]}}}


@contextlib.contextmanager
def served(folder, truth=None, preproc=True, token=None, other=None):
    run = ReviewedRun(folder, truth, preproc, other)
    listener = HttpListener("127.0.0.1:0", token, lambda: application(run, token))
    listener.start()
    try:
        with httpx.Client(base_url=f"http://{listener.shown}", timeout=60) as client:
            yield client
    finally:
        listener.stop()
        run.close()


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "numbers.mp4", FRAMES)


@pytest.fixture
def folder(tmp_path, video):
    """A run of six objects, 20 frames each."""
    return write_run(tmp_path / "run", crowd(6, 20, FRAMES), FRAMES, str(video), record={"zones": ZONES})


def put(client, edits, **headers):
    """Replace the edits by these."""
    before = client.get("/edits")
    content = {**before.json(), "edits": edits}
    return client.put("/edits", json=content, headers={"If-Match": before.headers["etag"], **headers})


def unpacked(content):
    length = int.from_bytes(content[:4], "little")
    head = json.loads(content[4 : 4 + length])
    columns = {name: np.frombuffer(content, kind, count, 4 + length + at) for name, kind, at, count in head["columns"]}
    return head, columns


class TestRows:
    def test_are_columns_of_numbers_by_object_and_frame(self, folder):
        with served(folder) as client:
            head, columns = unpacked(client.get("/rows").content)
        assert head["classes"] == {"0": "car", "1": "person"}
        assert columns["id"].tolist() == sorted(columns["id"].tolist()) and len(columns["id"]) == 120
        assert columns["frame"][:20].tolist() == list(range(1, 21))
        assert columns["box"].reshape(-1, 4)[0].tolist() == [63, 87, 87, 135]
        assert columns["flags"][:20].tolist() == [2] * 7 + [1] * 3 + [2] * 10
        assert len(columns["time"]) == FRAMES and columns["time"][25] == pytest.approx(1.0)

    def test_come_with_the_edits_applied(self, folder):
        with served(folder) as client:
            answer = put(client, [{"edit": "merge", "id": 2, "into": 1}, {"edit": "rename", "id": 1, "name": "Anna"}])
            head, columns = unpacked(client.get("/rows").content)
        assert answer.status_code == 200 and head["tag"] == answer.headers["etag"]
        assert 2 not in columns["id"] and head["names"] == {"1": "Anna"}


def test_masks_of_a_frame_are_the_run_s_under_the_ids_of_now(tmp_path):
    covered = np.zeros((2, 240, 320), bool)
    covered[0, 10:20, 30:50] = covered[1, 100:110, 200:230] = True
    rows = annotated([(1, 1, 30, 10, 50, 20), (1, 2, 200, 100, 230, 110), (2, 1, 31, 10, 51, 20)])
    folder = leave_run(tmp_path / "run", rows, json=True, columns={1: Columns(masks=Masks.of(covered))}).folder
    with served(folder) as client:
        put(client, [{"edit": "swap", "ids": [1, 2], "frame": 1}])
        head, columns = unpacked(client.get("/shapes/1").content)
        assert unpacked(client.get("/shapes/2").content)[1]["masked"].tolist() == []
        assert client.get("/run").json()["masks"]
    assert head["height"] == 240 and columns["masked"].tolist() == [1, 2]
    pixels = np.zeros((2, 320 * 240), bool)
    begin = 0
    for mask, count in zip(pixels, columns["runs"].tolist(), strict=True):
        for first, last in columns["edges"][begin : begin + count].reshape(-1, 2).tolist():
            mask[first:last] = True
        begin += count
    assert np.array_equal(pixels.reshape(2, 320, 240).transpose(0, 2, 1), covered[::-1])


def test_skeletons_and_oriented_boxes_of_a_frame_are_the_run_s_under_the_ids_of_now(tmp_path):
    rows = annotated([(1, 1, 30, 10, 50, 20), (1, 2, 200, 100, 230, 110), (2, 1, 31, 10, 51, 20)])
    points = np.full((2, 17, 3), np.nan, np.float32)
    points[1, 5] = 210, 105, 0.75
    corners = np.array([[[30, 12], [48, 10], [50, 18], [32, 20]]] * 2, np.float32)
    carried = {1: Columns(keypoints=points, corners=corners)}
    folder = leave_run(tmp_path / "run", rows, json=True, columns=carried).folder
    with served(folder) as client:
        put(client, [{"edit": "swap", "ids": [1, 2], "frame": 1}])
        _, columns = unpacked(client.get("/shapes/1").content)
        nothing = unpacked(client.get("/shapes/2").content)[1]
        about = client.get("/run").json()
    assert about["turned"] and [5, 6] in about["skeleton"]["limbs"] and not about["masks"]
    assert columns["jointed"].tolist() == [1], "none is known of the other's points"
    assert np.array_equal(columns["points"].reshape(17, 3), points[1], equal_nan=True)
    assert columns["turned"].tolist() == [1, 2]
    assert np.array_equal(columns["corners"].reshape(2, 4, 2), corners)
    assert not nothing["jointed"].size and not nothing["turned"].size


class TestForecasts:
    """An object that walks to the right by 30 pixels a second, then up by as many."""

    @pytest.fixture
    def walk(self, tmp_path):
        there = walking(1, range(1, 31), (60, 120), (3, 0)) + walking(1, range(31, 61), (147, 117), (0, -3))
        gone = walking(2, range(1, 11), (300, 200), (0, 0))
        return leave_run(tmp_path / "run", annotated(there + gone, frames=60)).folder

    def asked(self, folder, track, frame, edits=()):
        with served(folder) as client:
            if edits:
                assert put(client, edits).status_code == 200
            return client.get("/forecast", params={"id": track, "frame": frame}).json()

    def test_go_on_as_the_object_went_and_know_nothing_of_what_comes(self, walk):
        said = self.asked(walk, 1, 30)
        ahead, (x, y) = said["seconds"][-1], said["feet"][-1]
        assert x == pytest.approx(147 + 30 * ahead, abs=8) and y == pytest.approx(120, abs=4)
        assert said["radii"][0][0] < said["radii"][-1][0], "the further ahead, the less is sure"

    def test_are_the_same_each_time(self, walk):
        assert self.asked(walk, 1, 40) == self.asked(walk, 1, 40) != self.asked(walk, 1, 30)

    def test_are_of_the_boxes_of_now(self, walk):
        edits = [{"edit": "split", "id": 1, "frame": 20, "new": 9}]
        assert self.asked(walk, 9, 30, edits)["feet"] != []
        assert self.asked(walk, 9, 19)["feet"] == [], "it is not there before"

    def test_do_not_take_a_picture_that_is_shown_twice_for_a_stop(self, tmp_path):
        """25 pictures a second in a video of 30 frames: every sixth is the one before."""
        rows = [(frame, 1, x := 20 + 3 * (frame - frame // 6), 100, x + 20, 140) for frame in range(1, 61)]
        radii = []
        for repeated in (0, 10):
            run = leave_run(tmp_path / f"{repeated}", annotated(rows, fps=30), result={"frames_repeated": repeated})
            radii.append(self.asked(run.folder, 1, 59)["radii"][-1][0])
        assert radii[1] < radii[0]

    def test_of_what_is_gone_grow_wide_and_end(self, walk):
        there, later = self.asked(walk, 2, 10)["radii"][0][0], self.asked(walk, 2, 25)["radii"][0][0]
        assert later > 1.5 * there
        assert self.asked(walk, 2, 31)["feet"] == [], "two seconds later it may be anywhere"

    def test_of_a_box_of_no_size_are_none(self, tmp_path):
        rows = [(frame, 1, 60, 80, 60, 80) for frame in range(1, 11)]
        assert self.asked(leave_run(tmp_path / "run", annotated(rows)).folder, 1, 10)["feet"] == []


class TestFrames:
    def test_are_exact_in_any_order(self, folder):
        with served(folder) as client:
            for number in (41, 3, 60, 59, 2, 30):
                jpeg = client.get(f"/frames/{number}.jpg").content
                assert number_in(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)) == number

    def test_are_exact_for_many_who_ask_at_once(self, folder):
        seen = {}
        with served(folder) as client:

            def look(number):
                jpeg = client.get(f"/frames/{number}.jpg").content
                seen[number] = number_in(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))

            askers = [threading.Thread(target=look, args=(number,)) for number in (5, 58, 20, 21, 40, 9)]
            for asker in askers:
                asker.start()
            for asker in askers:
                asker.join()
        assert seen == {number: number for number in seen} and len(seen) == 6

    @pytest.mark.parametrize("name", ["0", "61", "999999999", "9999999999999", "-1", "x", "1e3", "²"])
    def test_that_are_none_are_not_found_and_others_still_are(self, folder, name):
        with served(folder) as client:
            assert client.get(f"/frames/{name}.jpg").status_code == 404
            assert client.get("/frames/7.jpg").status_code == 200

    def test_below_the_first_leave_the_way_to_the_others_as_quick_as_it_was(self, video):
        """Not counted from the first one on."""
        frames = FramesByNumber(video, np.arange(FRAMES) / 25)
        assert list(frames.read(0)) == [] and list(frames.read(-3)) == []
        assert next(frames.read(50))[0] > 1

    def test_of_a_source_that_has_gone_are_not_found_and_the_page_says_why(self, tmp_path):
        with served(write_run(tmp_path / "run", crowd(2, 5, 9), 9)) as client:
            about = client.get("/run").json()
            assert not about["pictures"] and "gone.mp4 is not there" in about["problem"]
            assert client.get("/frames/1.jpg").status_code == 404
            assert client.get("/video").status_code == 404

    def test_of_images_that_were_given_one_by_one_are_there(self, tmp_path):
        names = [f"{number}.png" for number in range(1, 6)]
        for number, name in enumerate(names, 1):
            cv2.imwrite(str(tmp_path / name), np.full((360, 640, 3), 40 * number, np.uint8))
        with served(write_run(tmp_path / "run", crowd(2, 5, 5), 5, names)) as client:
            jpeg = client.get("/frames/4.jpg").content
            assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[0, 0, 0] == pytest.approx(160, abs=2)
            assert client.get("/video").status_code == 404

    @pytest.mark.parametrize("given", [["/etc/passwd"], ["1.png", "/etc/passwd"], [{"a": 1}], [], 0])
    def test_of_what_is_no_list_of_images_are_not_there(self, tmp_path, given):
        cv2.imwrite(str(tmp_path / "1.png"), np.zeros((360, 640, 3), np.uint8))
        with served(write_run(tmp_path / "run", crowd(2, 5, 9), 9, given)) as client:
            assert not client.get("/run").json()["pictures"]

    def test_that_hide_nobody_are_shown_to_no_other_people_where_the_run_hid_objects(self, folder):
        record = yaml.safe_load((folder / "run.yaml").read_text())
        (folder / "run.yaml").write_text(yaml.safe_dump({**record, "blur": ["heads"]}))
        for shared in (False, True):
            run = ReviewedRun(folder, shared=shared)
            assert (run.frame(1, whole=False) is None) == (run.video is None) == shared
            assert ("--blur" in run.problem) == shared
            run.close()

    def test_a_source_that_is_no_video_is_not_given_away(self, tmp_path):
        (tmp_path / "secret.txt").write_text("a password\n" * 99)
        with served(write_run(tmp_path / "run", crowd(2, 5, 9), 9, str(tmp_path / "secret.txt"))) as client:
            assert not client.get("/run").json()["pictures"]
            assert client.get("/video").status_code == 404


class TestTheVideo:
    """Ranges of a file are sent, and no more is read."""

    def test_is_sent_in_ranges(self, folder, video):
        content = video.read_bytes()
        with served(folder) as client:
            answer = client.get("/video", headers={"Range": "bytes=100-199"})
            assert answer.status_code == 206 and answer.content == content[100:200]
            assert client.get("/video", headers={"Range": f"bytes={len(content) - 5}-"}).content == content[-5:]

    @pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=99999999999999999999-"])
    def test_a_range_beyond_its_end_is_refused(self, folder, asked):
        with served(folder) as client:
            assert client.get("/video", headers={"Range": asked}).status_code == 416

    @pytest.mark.parametrize("asked", ["bytes=0-99999999999999999999", "bytes=" + ",".join(["0-"] * 3000)])
    def test_huge_ranges_are_the_file(self, folder, video, asked):
        with served(folder) as client:
            answer = client.get("/video", headers={"Range": asked})
            assert answer.status_code in (200, 206) and len(answer.content) == video.stat().st_size

    def test_of_ten_gigabytes_is_not_read(self, tmp_path, video):
        """A sparse file that ends 10 GB after its video: what is asked for comes at once, in little memory."""
        large = tmp_path / "large.mp4"
        large.write_bytes(video.read_bytes())
        with large.open("r+b") as file:
            file.truncate(10 << 30)
        with served(write_run(tmp_path / "run", crowd(2, 5, FRAMES), FRAMES, str(large))) as client:
            before = psutil.Process().memory_info().rss
            start = time.monotonic()
            last = client.get("/video", headers={"Range": "bytes=10737418230-"})
            assert last.status_code == 206 and last.content == bytes(10)
            assert client.get("/frames/40.jpg").status_code == 200
            assert time.monotonic() - start < 60
            assert psutil.Process().memory_info().rss - before < 300 << 20


MERGE = {"edit": "merge", "id": 2, "into": 1}


class TestEdits:
    def test_are_kept_in_one_file_and_nothing_else_changes(self, folder):
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        with served(folder) as client:
            assert put(client, [MERGE]).status_code == 200
        after = {path.name: path.read_bytes() for path in folder.iterdir()}
        said = json.loads(after.pop("edits.json"))
        assert after == before
        assert said["version"] == 1 and said["edits"] == [MERGE]
        assert said["run"] == hashlib.sha256(before["tracks.csv"]).hexdigest()

    def test_undone_are_the_same_bytes_again(self, folder):
        with served(folder) as client:
            put(client, [MERGE])
            one, rows = (folder / "edits.json").read_bytes(), client.get("/rows").content
            put(client, [MERGE, {"edit": "delete", "id": 3}])
            assert (folder / "edits.json").read_bytes() != one
            put(client, [MERGE])
            assert (folder / "edits.json").read_bytes() == one
            assert client.get("/rows").content == rows

    def test_of_another_tab_are_not_overwritten(self, folder):
        with served(folder) as client:
            stale = client.get("/edits")
            put(client, [MERGE])
            kept = (folder / "edits.json").read_bytes()
            content = {**stale.json(), "edits": [{"edit": "delete", "id": 1}]}
            answer = client.put("/edits", json=content, headers={"If-Match": stale.headers["etag"]})
            assert answer.status_code == 412 and "elsewhere" in answer.json()["problem"]
            assert client.put("/edits", json=content).status_code == 428
            assert client.put("/edits", json=content, headers={"If-Match": "*"}).status_code == 412
        assert (folder / "edits.json").read_bytes() == kept

    @pytest.mark.parametrize(
        ("edits", "said"),
        [
            ([{"edit": "merge", "id": 99, "into": 1}], "there is no track 99"),
            ([{"edit": "shell", "cmd": "rm"}], "edit 1"),
            ([{"edit": "rename", "id": 1, "name": "x" * 10_000}], "name"),
            ([{"edit": "box", "id": 1, "frame": 1, "box": [0, 0, 1e400, 1]}], ""),
            ("all of them", "list"),
        ],
    )
    def test_that_lie_are_refused_in_a_sentence(self, folder, edits, said):
        with served(folder) as client:
            before = client.get("/edits")
            content = json.dumps({**before.json(), "edits": edits})
            answer = client.put("/edits", content=content, headers={"If-Match": before.headers["etag"]})
            assert answer.status_code == 422 and said in answer.json()["problem"]
        assert not (folder / "edits.json").exists()

    def test_that_are_too_many_bytes_are_refused(self, folder):
        with served(folder) as client:
            assert client.put("/edits", content=b" " * (9 << 20), headers={"If-Match": '"none"'}).status_code == 413

    @pytest.mark.parametrize(
        "content", ["", "[]", "{", '{"version": 2}', '{"version": 1, "run": "x", "edits": []}', "[" * 100_000]
    )
    def test_on_disk_that_lie_end_the_command_in_a_sentence(self, folder, content):
        (folder / "edits.json").write_text(content)
        with pytest.raises(DataError, match=r"edits\.json"):
            ReviewedRun(folder)

    def test_that_are_a_link_are_neither_read_nor_written(self, folder, tmp_path):
        (tmp_path / "other.json").write_text("{}")
        (folder / "edits.json").symlink_to(tmp_path / "other.json")
        with pytest.raises(DataError, match="is a link"):
            ReviewedRun(folder)
        (folder / "edits.json").unlink()
        with served(folder) as client:
            (folder / "edits.json").symlink_to(tmp_path / "other.json")
            assert client.put("/edits", json={}, headers={"If-Match": '"none"'}).status_code == 422
        assert (tmp_path / "other.json").read_text() == "{}"

    def test_that_are_a_pipe_are_not_waited_for(self, folder):
        os.mkfifo(folder / "edits.json")
        with pytest.raises(DataError, match="no file"):
            ReviewedRun(folder)

    def test_of_another_table_are_refused(self, folder):
        with served(folder) as client:
            put(client, [MERGE])
        with (folder / "tracks.csv").open("a") as file:
            file.write("60,2.3600,1,0,car,0.9000,0.00,0.00,9.00,9.00,confirmed\n")
        with pytest.raises(DataError, match="made for another"):
            ReviewedRun(folder)

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
    def test_no_other_site_s_page_changes_them(self, folder, origin):
        with served(folder) as client:
            assert put(client, [MERGE], Origin=origin).status_code == 403
            assert client.post("/edits", json={}, headers={"Origin": origin}).status_code == 403
        assert not (folder / "edits.json").exists()

    def test_no_name_that_leads_here_is_believed(self, folder):
        with served(folder) as client:
            assert client.get("/rows", headers={"Host": "rebound.example"}).status_code == 403

    def test_of_a_corrected_run_are_refused_for_it_is_made_anew_of_another(self, tmp_path):
        run = leave_run(tmp_path / "run", annotated([(frame, 1, 10, 10, 30, 50) for frame in range(1, 9)]))
        EditList(fingerprint(run.folder), (Rename(1, "Anna"),)).save(run.folder)
        folder = apply(run.folder, video=False).folder
        with served(folder) as client:
            assert "corrected run itself" in client.get("/run").json()["remark"]
            assert unpacked(client.get("/rows").content)[0]["names"] == {"1": "Anna"}
            answer = put(client, [{"edit": "delete", "id": 1}])
            assert answer.status_code == 422 and "corrected run itself" in answer.json()["problem"]
        assert not (folder / "edits.json").exists()

    def test_of_an_interrupted_run_are_said_not_to_outlive_going_on_with_it(self, folder):
        record = yaml.safe_load((folder / "run.yaml").read_text())
        assert ReviewedRun(folder).about()["remark"] == ""
        (folder / "run.yaml").write_text(yaml.safe_dump({**record, "files": ["tracks.csv", "unfinished"]}))
        assert "--resume" in ReviewedRun(folder).about()["remark"]

    def test_need_the_token_where_there_is_one(self, folder):
        with served(folder, token="correct horse battery staple") as client:
            assert client.get("/rows").status_code == 401
            known = {"Authorization": "Bearer correct horse battery staple"}
            assert client.get("/rows", headers=known).status_code == 200


class TestCrops:
    def test_are_the_run_s_own_or_cut_from_the_video(self, folder):
        with served(folder) as client:
            cut = client.get("/crops/1.jpg").content
            assert cv2.imdecode(np.frombuffer(cut, np.uint8), cv2.IMREAD_COLOR) is not None
            self.leave(folder, 1)
            kept = (folder / "crops" / "1.jpg").read_bytes()
            assert client.get("/crops/1.jpg").content == kept
            put(client, [{"edit": "split", "id": 1, "frame": 10, "new": 41}])
            assert client.get("/crops/41.jpg").content not in (b"", kept), "the picture may be of the other half"
            assert client.get("/crops/1.jpg").content != kept
            assert client.get("/crops/99.jpg").status_code == 404

    def test_no_link_leads_out_of_the_run(self, folder, tmp_path):
        outside = tmp_path / "outside"
        outside.mkdir()
        self.leave(outside, 1)
        secret = (outside / "crops" / "1.jpg").read_bytes()
        with served(folder) as client:
            (folder / "crops").symlink_to(outside / "crops")
            assert client.get("/crops/1.jpg").content != secret
            (folder / "crops").unlink()
            (folder / "crops").mkdir()
            (folder / "crops" / "1.jpg").symlink_to(outside / "crops" / "1.jpg")
            assert client.get("/crops/1.jpg").content != secret

    def test_no_path_leads_out_of_the_run(self, folder):
        with served(folder) as client:
            for path in ("/crops/..%2frun.yaml", "/crops/%2e%2e/run.yaml", "/..%2f..%2fetc/passwd", "/crops/1.jpg%00"):
                assert client.get(path).status_code == 404

    @staticmethod
    def leave(folder, track):
        """A crop, as a run leaves it."""
        zero = np.zeros(1, np.int64)
        confirmed = np.full(1, Status.CONFIRMED, np.int64)
        box, scores = np.array([[10, 10, 40, 80]], np.float32), np.full(1, 0.9, np.float32)
        tracks = Tracks(np.array([track]), box, scores, zero, zero, confirmed, zero, 0.0, 0.1)
        CropWriter(folder / "crops").write(Frame(np.full((90, 90, 3), 7, np.uint8), 1, 0.0), tracks)


class TestWhatHappened:
    def test_goes_under_the_ids_of_now(self, folder):
        event = {
            "time_s": 0.2,
            "frame": 6,
            "event": "enter",
            "zone": "hall",
            "id": 1,
            "class": "car",
            "direction": "in",
        }
        later = {**event, "frame": 15, "event": "exit"}
        (folder / "events.jsonl").write_text(json.dumps(event) + "\n" + json.dumps(later) + "\n")
        with served(folder) as client:
            assert [one["id"] for one in client.get("/events").json()] == [1, 1]
            put(client, [{"edit": "split", "id": 1, "frame": 10, "new": 41}, {"edit": "merge", "id": 41, "into": 6}])
            assert [one["id"] for one in client.get("/events").json()] == [1, 6]
            put(client, [{"edit": "delete", "id": 1}])
            assert client.get("/events").json() == []

    def test_objects_have_the_colours_of_the_drawn_video(self, folder):
        with served(folder) as client:
            told = client.get("/run").json()["colours"]
        assert [tuple(bytes.fromhex(one[1:]))[::-1] for one in told] == [colour(track) for track in range(1, 25)]

    def test_zones_are_in_pixels(self, folder):
        with served(folder) as client:
            (hall,) = client.get("/run").json()["zones"]
        assert hall["name"] == "hall" and hall["area"] and hall["points"][2] == [600, 300]


def test_where_another_run_disagrees_is_doubtful(tmp_path):
    """In the other one, the two change objects in frame 20."""
    boxes = {1: (100, 60, 130, 120), 2: (220, 60, 250, 120)}
    rows = [(frame, track, *boxes[track]) for frame in range(1, 41) for track in (1, 2)]
    swapped = [(frame, 3 - track if frame >= 20 else track, *box) for frame, track, *box in rows]
    one, two = (leave_run(tmp_path / name, annotated(of)).folder for name, of in (("one", rows), ("two", swapped)))
    with served(one) as client:
        assert "pass" not in [doubt["kind"] for doubt in client.get("/doubts").json()]
    with served(one, other=two) as client:
        found = [doubt for doubt in client.get("/doubts").json() if doubt["kind"] == "pass"]
    assert found and all(set(doubt["ids"]) <= {1, 2} for doubt in found)


def test_another_run_of_another_video_is_refused(tmp_path, video):
    rows = [(1, 1, 10, 10, 40, 80, "person", "confirmed")]
    one = write_run(tmp_path / "one", rows, FRAMES, str(video))
    gone = write_run(tmp_path / "two", rows, FRAMES, "somewhere/numbers.mp4")
    for of, other in [("three", "beside.mp4"), ("four", str(write_video(tmp_path / "numbers.mp4", 5)))]:
        with pytest.raises(DataError, match=r"give as --other another run of the same video"):
            ReviewedRun(one, other=write_run(tmp_path / of, rows, FRAMES, other))
    ReviewedRun(one, other=gone).close()  # its video is not there any more, and had the same name


def test_a_doubt_is_settled_by_what_it_proposes_and_open_again_without_it(tmp_path):
    """Two who swapped ids where they met, one who becomes another, one with a hole, and one who is two tracks."""
    size = 30, 60
    rows = [
        *walking(1, range(1, 51), (200, 250), (4, 0), size), *walking(2, range(51, 101), (400, 250), (4, 0), size),
        *walking(2, range(1, 51), (600, 258), (-4, 0), size), *walking(1, range(51, 101), (400, 258), (-4, 0), size),
        *walking(3, range(1, 51), (200, 450), (4, 0), size), *walking(3, range(51, 101), (398, 456), (-4, 1), size),
        *walking(4, range(1, 41), (700, 600), (4, 0), size), *walking(4, range(51, 101), (900, 600), (4, 0), size),
        *walking(5, range(5, 41), (100, 100), (4, 0), size), *walking(6, range(48, 101), (272, 100), (4, 0), size),
    ]  # fmt: skip
    folder = leave_run(tmp_path / "run", annotated(rows, fps=25, size=(1280, 720))).folder
    with served(folder) as client:
        found = client.get("/doubts").json()
        assert {"swap", "jump", "gap", "one"} <= {doubt["kind"] for doubt in found}
        assert not any(doubt["settled"] for doubt in found)
        for number, doubt in enumerate(found):
            if doubt["edits"]:
                assert put(client, doubt["edits"]).status_code == 200
                now = client.get("/doubts").json()
                assert now[number]["words"] == doubt["words"] and now[number]["settled"], doubt
                put(client, [])
        assert client.get("/doubts").json() == found


def test_mistakes_against_a_truth_go_when_they_are_mended(tmp_path, video):
    """One object, lost and found under another id."""
    box = (100, 100, 140, 180)
    rows = [(frame, 1 if frame < 20 else 2, *box, "person", "confirmed") for frame in range(1, 41)]
    folder = write_run(tmp_path / "run", rows, FRAMES, str(video))
    truth = tmp_path / "gt.txt"
    truth.write_text("".join(f"{frame},7,100,100,40,80,1,1,1\n" for frame in range(1, 41)))
    with served(folder, truth) as client:
        (mistake,) = client.get("/mistakes").json()
        assert mistake["switch"] and (mistake["id_before"], mistake["id_after"], mistake["after"]) == (1, 2, 20)
        put(client, [{"edit": "merge", "id": 2, "into": 1}])
        assert client.get("/mistakes").json() == []


def test_every_answer_may_run_no_script_but_the_page_s_own(folder):
    with served(folder) as client:
        for path in ("/", "/main.js", "/rows", "/nothing"):
            policy = client.get(path).headers["content-security-policy"]
            assert "default-src 'self'" in policy and "unsafe" not in policy


@pytest.mark.parametrize("asked", ["id=1", "id=1&frame=0", "id=1&frame=61", "id=1&frame=999999999", "id=x&frame=1"])
def test_no_frame_that_is_none_is_explained(folder, asked):
    with served(folder) as client:
        assert client.get(f"/explain?{asked}").status_code == 404


@pytest.mark.parametrize("question", ["/explain", "/forecast"])
def test_another_site_s_page_cannot_keep_the_machine_busy(folder, question):
    with served(folder) as client:
        asked = client.get(f"{question}?id=1&frame=5", headers={"Sec-Fetch-Site": "cross-site"})
        assert asked.status_code == 403


def test_whoever_steps_through_a_run_waits_for_the_last_question_alone(folder, monkeypatch):
    """The run is not begun anew for those that were given up meanwhile."""
    begun, go_on = [], threading.Event()

    def slow(_, *question, progress):
        begun.append(question)
        assert go_on.wait(60)
        progress(1)
        raise DataError(f"{question}")

    monkeypatch.setattr(explaining, "explain", slow)
    answers = explaining.Explanations(folder)
    for frame in range(1, 30):
        assert not answers.ask(1, frame)["done"]
    go_on.set()
    for _ in range(1200):
        said = answers.ask(1, 29)
        if said["done"]:
            break
        time.sleep(0.05)
    assert said["problem"] == "(1, 29)" and len(begun) <= 2


def test_nobody_works_on_an_answer_any_more_once_it_is_closed(folder, monkeypatch):
    """The end of the process would meet its thread in a network, and abort."""
    begun, ended = threading.Event(), threading.Event()

    def endless(*_, progress):
        begun.set()
        try:
            while True:
                time.sleep(0.2)
                progress(1)
        finally:
            ended.set()

    monkeypatch.setattr(explaining, "explain", endless)
    before = set(threading.enumerate())
    run = ReviewedRun(folder)
    run.explanations.ask(1, 5)
    assert begun.wait(60) and run.frame(1, whole=False)
    run.close()
    assert ended.is_set() and set(threading.enumerate()) <= before


def test_what_cannot_be_explained_is_said(folder):
    """A run of which only the tables are left."""
    with served(folder) as client:
        for _ in range(1200):
            said = client.get("/explain?id=1&frame=5").json()
            if said["done"]:
                break
            time.sleep(0.1)
        assert "run.yaml" in said["problem"]
        put(client, [{"edit": "box", "id": 41, "frame": 3, "box": [1, 1, 9, 9], "class": "person"}])
        assert "none of the run's own" in client.get("/explain?id=41&frame=3").json()["problem"]
