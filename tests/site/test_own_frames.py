"""Cameras whose frames come from one's own code; what that may do wrong, what is recorded, a gallery that is shared."""

import itertools
import logging
import threading
import time

import av
import numpy as np
import pytest

from tracker import Config, Detections, Site
from tracker.errors import OutputError
from tracker.output.writers import CsvWriter
from tracker.site import camera as camera_module
from tracker.site import intake, supervisor
from tracker.site import said as said_module
from tracker.site.config import HttpConfig, SiteCamera, SiteConfig
from tracker.site.feed import ENDED, LIVE, STUCK
from tracker.site.looking import SharedDetector
from tracker.site.results.records import Records
from tracker.site.web.health import health
from tracker.structures import FEATURE_SIZE

CONFIG = Config().override({"device": "cpu", "appearance": {"enabled": False}, "detector": {"imgsz": 64}})
BEGIN_S = 1_764_442_790.0  # ten seconds before an hour is full
LOOKS = np.random.default_rng(0).normal(size=(4, FEATURE_SIZE))


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    """Who is looked at stands in the picture's place: a person a column, 0 where there is none."""
    monkeypatch.setattr(intake, "PAUSE_S", 0.02)

    def look(self, image):
        people = [int(value) for value in image[0, :, 0] if value]
        boxes = [[100 * i, 50, 100 * i + 60, 250] for i in people]
        return Detections(np.reshape(boxes, (-1, 4)), [0.9] * len(people), features=LOOKS[people], names={0: "person"})

    monkeypatch.setattr(SharedDetector, "__call__", look)


def picture(*people):
    image = np.zeros((300, 600, 3), np.uint8)
    image[0, : len(people), 0] = people
    return image


def frames(*people, count=40, begin_s=BEGIN_S, rate=10):
    return [(picture(*people), begin_s + n / rate) for n in range(count)]


def site(folder, cameras, **settings):
    own = {
        name: source if isinstance(source, SiteCamera) else SiteCamera(source=source)
        for name, source in cameras.items()
    }
    return Site(SiteConfig(cameras=own, project=folder, tracker=CONFIG, **settings))


def ids(folder):
    texts = [path.read_text() for path in sorted(folder.glob("*/tracks.csv"))]
    return {int(line.split(",")[2]) for text in texts for line in text.splitlines()[1:]}


@pytest.mark.parametrize("gallery", ["shared", "own"])
def test_who_leaves_one_camera_and_enters_another_keeps_the_id_where_they_share_a_gallery(tmp_path, gallery):
    def later():
        """The second of two people, half a minute after the first camera has seen them."""
        while running.cameras["door"].status().state != ENDED:
            time.sleep(0.02)
        yield from frames(2, begin_s=BEGIN_S + 30)

    running = site(tmp_path, {"door": frames(1, 2), "yard": later()}, gallery=gallery)
    running.run()
    door, yard = ids(tmp_path / "door"), ids(tmp_path / "yard")
    assert len(door) == 2
    assert yard == ({max(door)} if gallery == "shared" else {1})


def test_pictures_are_recorded_by_the_hour_where_that_is_wanted(tmp_path):
    camera = SiteCamera(source=frames(1, count=200), record=True)
    site(tmp_path, {"door": camera}).run()
    videos = sorted(tmp_path.glob("door/*/*.mp4"))
    assert [str(path.relative_to(tmp_path / "door")) for path in videos] == [
        "2025-11-29T18Z/video-5950.mp4",
        "2025-11-29T19Z/video-0000.mp4",
    ]
    counts = []
    for path in videos:
        with av.open(str(path)) as container:
            counts.append(sum(1 for _ in container.decode(video=0)))
    assert counts == [100, 100]


def test_each_camera_keeps_its_own_classes_whatever_the_others_look_for(tmp_path, monkeypatch):
    both = Detections([[0, 50, 60, 250], [200, 50, 260, 250]], [0.9, 0.9], [0, 5])
    monkeypatch.setattr(SharedDetector, "__call__", lambda self, image: both)
    cameras = {"door": SiteCamera(source=frames(1, count=20), classes=("bus",)), "yard": SiteCamera(source=frames(1))}
    people = CONFIG.override({"detector": {"classes": ["person"]}})
    Site(SiteConfig(cameras=cameras, project=tmp_path, tracker=people)).run()
    for name, kept in (("door", "bus"), ("yard", "person")):
        (table,) = tmp_path.glob(f"{name}/*/tracks.csv")
        assert {line.split(",")[4] for line in table.read_text().splitlines()[1:]} == {kept}


def test_code_that_fails_costs_its_camera_a_moment_and_the_others_nothing(tmp_path, caplog):
    calls = itertools.count()

    def source():
        call = next(calls)
        if call == 0:
            raise RuntimeError("no SDK")
        yield from frames(1, count=10, begin_s=BEGIN_S + 10 * call)
        if call == 1:
            yield "no image", BEGIN_S + 19

    running = site(tmp_path, {"bad": source, "good": frames(1)})
    threading.Thread(target=lambda: (wait(running, good=40, bad=30), running.stop())).start()
    running.run()
    assert running.cameras["good"].status().frames == 40
    assert running.cameras["bad"].status().restarts >= 2
    assert ids(tmp_path / "bad") == {1}
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "RuntimeError: no SDK" in said and "it gave no image" in said


def test_a_tracker_that_hangs_is_told_and_down_though_pictures_come(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(camera_module, "STUCK_S", 1.0)
    look, hangs, goes_on = SharedDetector.__call__, threading.Event(), threading.Event()

    def looking(self, image):
        if hangs.is_set() and image[0, 0, 0] == 2:
            goes_on.wait(120)
        return look(self, image)

    monkeypatch.setattr(SharedDetector, "__call__", looking)

    def live(person):
        while not ended.is_set():
            time.sleep(0.02)
            yield picture(person)

    def said():
        return [record.getMessage() for record in tuple(caplog.records) if record.getMessage().startswith("bad")]

    ended, seen = threading.Event(), {}

    def watch():
        wait(running, bad=5, good=5)
        hangs.set()
        until(lambda: health(running)[1]["down"])
        seen["down"] = health(running)
        goes_on.set()
        hangs.clear()
        until(lambda: health(running)[0] and "bad is tracked again" in said())
        seen["up"] = health(running)
        ended.set()
        running.stop()

    running = site(tmp_path, {"bad": live(2), "good": live(1)}, http=HttpConfig(down_after_s=2.0))
    threading.Thread(target=watch).start()
    running.run()
    up, about = seen["down"]
    assert not up and about["down"] == ["bad"]
    assert (about["cameras"]["bad"]["state"], about["cameras"]["good"]["state"]) == (STUCK, LIVE)
    assert about["cameras"]["bad"]["silent_s"] < 2 < about["cameras"]["bad"]["untracked_s"]
    assert "its pictures are not tracked for" in about["cameras"]["bad"]["problem"]
    assert seen["up"][0] and seen["up"][1]["cameras"]["bad"]["state"] == LIVE
    assert "bad: frames come, and none was tracked for 1 s" in said() and said().count("bad is tracked again") == 1


def test_zones_that_do_not_fit_the_picture_are_down_too(tmp_path, monkeypatch):
    monkeypatch.setattr(camera_module, "STUCK_S", 0.3)
    (tmp_path / "zones.yaml").write_text("ignore: [{points: [[0, 0], [5000, 0], [5000, 5000]]}]")

    def live():
        end_s = time.monotonic() + 120
        while not seen and time.monotonic() < end_s:
            time.sleep(0.02)
            yield picture(1)

    seen = {}
    camera = SiteCamera(source=live(), zones=str(tmp_path / "zones.yaml"))
    running = site(tmp_path / "out", {"door": camera}, http=HttpConfig(down_after_s=1.0))

    def watch():
        while not running.cameras or health(running)[0]:
            time.sleep(0.05)
        seen["down"] = health(running)
        running.stop()

    threading.Thread(target=watch).start()
    running.run()
    assert seen["down"][1]["cameras"]["door"]["state"] == STUCK
    assert "outside of the frame" in seen["down"][1]["cameras"]["door"]["problem"]


def test_the_log_has_a_line_where_a_camera_is_live_lost_and_back_and_few_where_it_flaps(tmp_path, caplog):
    calls = itertools.count()

    def flaps():
        for n in range(3):
            yield picture(1), BEGIN_S + next(calls) + n / 10

    running = site(tmp_path, {"door": flaps})
    with caplog.at_level(logging.INFO):
        threading.Thread(target=lambda: (wait(running, door=24), running.stop())).start()
        running.run()
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("door")]
    assert running.cameras["door"].status().restarts >= 6
    assert said[0].startswith("door is live after ")
    assert said[1] == "door: the source ended; tried again for as long as it takes"
    assert said[2].startswith("door is back after ")
    assert len(said) <= said_module.MOST


def until(condition):
    """It comes true some time; where it does not, the test goes on and says what is missing."""
    end_s = time.monotonic() + 60
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.02)


def wait(running, **frames):
    until(lambda: running.cameras and all(running.cameras[name].status().frames >= n for name, n in frames.items()))


def test_a_disk_that_is_full_for_a_while_costs_rows_and_not_the_tracking(tmp_path, monkeypatch, caplog):
    write = CsvWriter.write

    def full(self, frame, tracks):
        if 10 < frame.number <= 20:
            raise OutputError("no space left")
        write(self, frame, tracks)

    monkeypatch.setattr(CsvWriter, "write", full)
    running = site(tmp_path, {"door": frames(1)})
    running.run()
    status = running.cameras["door"].status()
    assert (status.frames, status.state, status.problem) == (40, ENDED, "")
    (table,) = tmp_path.glob("door/*/tracks.csv")
    assert [int(line.split(",")[0]) for line in table.read_text().splitlines()[1:]] == [*range(1, 11), *range(21, 41)]
    assert sum("no space left" in record.getMessage() for record in caplog.records) == 1


def test_a_disk_that_hangs_holds_up_no_end(tmp_path, monkeypatch):
    goes_on = threading.Event()
    monkeypatch.setattr(Records, "write", lambda *_: goes_on.wait(120))
    monkeypatch.setattr(supervisor, "prune", lambda *_: goes_on.wait(120))
    running, took_s = site(tmp_path, {"door": frames(1)}, keep_days=1.0), []

    def end():
        wait(running, door=3)
        begun_s = time.monotonic()
        running.stop()
        took_s.append(time.monotonic() - begun_s)

    ending = threading.Thread(target=end)
    ending.start()
    begun_s = time.monotonic()
    running.run()
    assert time.monotonic() - begun_s < 60, "neither the rows nor what is removed"
    ending.join()
    goes_on.set()
    assert took_s[0] < 20


def test_a_plug_in_that_is_too_fast_is_tracked_newest_first_and_one_with_times_whole(tmp_path, monkeypatch):
    look = SharedDetector.__call__
    monkeypatch.setattr(SharedDetector, "__call__", lambda self, image: (time.sleep(0.1), look(self, image))[1])

    def live():
        for _ in range(150):
            time.sleep(0.02)
            yield picture(1)

    running = site(tmp_path, {"live": live(), "timed": frames(1, count=20)})
    running.run()
    live_status, timed = (running.cameras[name].status() for name in ("live", "timed"))
    assert timed.frames == 20 and timed.dropped == 0
    assert live_status.frames + live_status.dropped == 150
    assert live_status.dropped > 50
    assert running.cameras["live"].newest.lag_s < 6, "of the 12 s that all would take"
