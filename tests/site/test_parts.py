"""The parts of a site, each alone: times, presence, files by the hour and how long they are kept, settings, queues."""

import json
import math
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import GroundPlane, Site, Tracker, Zones
from tracker.analytics.events import Count
from tracker.cli import main
from tracker.config import BankConfig
from tracker.errors import ConfigError, SourceError, UsageError
from tracker.site import persistence, said, supervisor
from tracker.site.clock import SteadyClock, WallClock
from tracker.site.config import SiteCamera, SiteConfig
from tracker.site.counting import PlaceCounts
from tracker.site.feed import Moment, Settled, Subscription, Visit
from tracker.site.persistence import Known, StateFolder
from tracker.site.presence import Presence
from tracker.site.results.metres import Metres
from tracker.site.results.records import Records, hour_of, written_since
from tracker.site.results.retention import MARK, prune
from tracker.structures import Status, Tracks

NOW = 1_764_442_800.0  # an hour's first second
VISIT = Visit(1, 0, "person", NOW, NOW, 1, (0.0, 0.0, 1.0, 1.0), 0.9)


def tracks(time_s, *ids):
    n = len(ids)
    boxes = np.tile(np.array([[10, 20, 50, 100]], np.float32), (n, 1))
    columns = np.ones(n, np.float32), np.zeros(n, np.int64), np.zeros(n, np.int64)
    status = np.full(n, int(Status.CONFIRMED))
    return Tracks(np.array(ids, np.int64), boxes, *columns, status, np.arange(n), time_s, 0.1, {0: "person"})


class TestTimesOfALiveCamera:
    @given(st.lists(st.tuples(st.floats(-1e9, 1e9) | st.none(), st.floats(-10, 100)), max_size=60))
    def test_advance_whatever_the_stamps_and_the_wall_clock_do(self, frames):
        clock, times, now_s = WallClock(), [], NOW
        for stamp, waited_s in frames:
            now_s += waited_s
            times.append(clock(stamp, now_s))
        assert (np.diff(times) > 0).all()

    @pytest.mark.parametrize("speed", [0.4, 0.95, 1.0, 1.05, 2.5])
    def test_stay_with_the_wall_clock_however_fast_the_stamps_run(self, speed):
        clock = WallClock()
        clock.connect(0.04)
        late_s = [NOW + n / 25 - clock(n / 25 * speed, NOW + n / 25) for n in range(5000)]
        assert max(map(abs, late_s[500:])) < 3.5

    def test_keep_the_pace_of_the_stamps_where_the_network_shakes(self):
        clock, shaken = WallClock(), np.random.default_rng(0).uniform(0, 0.2, 1000)
        clock.connect(0.04)
        times = [clock(n / 25, NOW + n / 25 + shaken[n]) for n in range(1000)]
        assert np.diff(times)[100:] == pytest.approx(0.04, abs=0.01)

    def test_go_on_later_than_the_last_one_after_a_restart(self):
        assert WallClock(after_s=NOW + 5)(0.0, NOW) > NOW + 5


class TestAClockThatIsSetBack:
    """By an hour, under cameras that go on."""

    def steady(self):
        """A site's clock, whose wall is at `self.now_s` and which has run for `self.ran_s`."""
        self.now_s, self.ran_s = NOW, 0.0
        return SteadyClock(lambda: self.now_s, lambda: self.ran_s)

    def frames(self, camera, site, number, rate=10):
        times = []
        for _ in range(number):
            self.ran_s += 1 / rate
            self.now_s += 1 / rate
            times.append(camera(self.ran_s, site()))
        return np.array(times)

    def test_slows_no_camera_and_time_goes_on(self):
        site, camera = self.steady(), WallClock()
        camera.connect(0.1)
        before = self.frames(camera, site, 100)
        self.now_s -= 3600
        after = self.frames(camera, site, 1000)
        assert after[0] > before[-1]
        assert np.diff(after) == pytest.approx(0.1, rel=0.11)
        assert after[-1] - after[0] >= 0.94 * 99.9
        assert hour_of(after[0]) == hour_of(before[-1])

    def test_is_caught_up_with_within_a_day(self):
        site = self.steady()
        site()
        self.now_s -= 3600
        for _ in range(20 * 60):
            self.now_s, self.ran_s = self.now_s + 60, self.ran_s + 60
            late_s = site() - self.now_s
        assert late_s == pytest.approx(0, abs=61)

    def test_leaves_cameras_at_one_time_also_one_that_was_away_meanwhile(self):
        site = self.steady()
        there, away = WallClock(), WallClock()
        for camera in (there, away):
            camera.connect(0.1)
            self.frames(camera, site, 50)
        self.now_s -= 3600
        self.frames(there, site, 900)
        away.connect(0.1)
        assert abs(self.frames(away, site, 1)[0] - self.frames(there, site, 1)[0]) < 2

    def test_before_a_restart_slows_none_after_it(self):
        site, camera = self.steady(), WallClock(after_s=NOW + 3600)
        camera.connect(0.1)
        assert np.diff(self.frames(camera, site, 100)[1:]) == pytest.approx(0.1, rel=0.11)
        site.not_before(NOW + 3600)
        assert site() >= NOW + 3600

    def test_set_ahead_it_is_followed_at_once(self):
        site, camera = self.steady(), WallClock()
        camera.connect(0.1)
        self.frames(camera, site, 10)
        self.now_s += 3600
        assert self.frames(camera, site, 1)[0] == pytest.approx(NOW + 3601.1, abs=0.2)


class TestTheLog:
    def test_has_few_lines_of_a_camera_and_says_how_many_it_left_out(self, caplog, monkeypatch):
        now_s = [0.0]
        monkeypatch.setattr(said, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
        say = said.BoundedLog("door")
        for _ in range(100):
            say(30, " is lost")
        assert len(caplog.records) == said.MOST
        now_s[0] += said.WITHIN_S + 1
        say(30, " is back")
        assert caplog.records[-1].getMessage() == (
            f"door is back (and {100 - said.MOST} lines before it that were left out)"
        )


class TestAStateThatIsDue:
    def test_soon_is_saved_soon_also_where_one_was_saved_just_before(self, monkeypatch):
        now_s = [0.0]
        monkeypatch.setattr(persistence, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
        due, saved = persistence.Due(), []
        news = {0.6, 0.8}  # two people come one after the other
        for n in range(40):
            now_s[0] = n / 10
            if due.state(now_s[0] in news):
                saved.append(now_s[0])
        assert saved[:2] == [0.6, 1.1], "the second one, too"
        assert saved[2] - saved[1] == pytest.approx(persistence.EVERY_S)


class TestPresence:
    def test_a_visit_begins_once_and_ends_once_after_the_time_it_was_watched_for(self):
        presence, came, left = Presence(3.0), [], []
        for n in range(100):
            began, ended = presence.update(tracks(NOW + n / 10, *([7] if n < 20 else [])))
            came, left = came + began, left + ended
        assert [visit.id for visit in came] == [visit.id for visit in left] == [7]
        assert left[0].start_s == NOW and left[0].last_s == pytest.approx(NOW + 1.9) and left[0].frames == 20

    def test_a_camera_that_was_away_ends_no_visit_of_who_is_still_there(self):
        presence = Presence(3.0)
        presence.update(tracks(NOW, 7))
        assert presence.update(tracks(NOW + 600)) == ([], [])
        assert presence.update(tracks(NOW + 600.1, 7)) == ([], [])

    def test_goes_on_after_a_restart_and_tells_an_end_that_may_not_have_been_told(self):
        first = Presence(0.5)
        for n in range(20):
            first.update(tracks(NOW + n / 10, *([7, 8] if n < 5 else [8])))
        second = Presence(0.5)
        second.go_on(json.loads(json.dumps(first.to_dict())))
        came, left = second.update(tracks(NOW + 60, 8))
        assert (came, [visit.id for visit in left]) == ([], [7])
        assert second.update(tracks(NOW + 60.1, 8)) == ([], [])
        assert second.here[8].start_s == NOW


class TestRecords:
    def test_are_a_folder_for_each_hour_and_go_on_in_it(self, tmp_path):
        for times in ([NOW - 1, NOW], [NOW + 1]):
            records = Records(tmp_path / "door")
            for n, time_s in enumerate(times):
                records.write(Settled(n + 1, time_s, tracks(time_s, 4)))
                records.tell(time_s, [{"event": "enter"}])
            records.close()
        before, after = sorted(tmp_path.glob("door/*"))
        assert (before.name, after.name) == (hour_of(NOW - 1), hour_of(NOW)) == ("2025-11-29T18Z", "2025-11-29T19Z")
        assert len((before / "tracks.csv").read_text().splitlines()) == 2
        assert len((after / "tracks.csv").read_text().splitlines()) == 3, "one header"
        assert [json.loads(line) for line in (after / "events.jsonl").read_text().splitlines()] == [
            {"event": "enter"}
        ] * 2

    @pytest.mark.parametrize("torn", ["", "9", "9,,,\n", "9,1764442801.0,\0\0,\n", "9,1764442801.0,99", "frame,time_s"])
    def test_say_what_was_written_whatever_the_last_line_lacks(self, tmp_path, torn):
        records = Records(tmp_path)
        for n in range(300):
            records.write(Settled(n + 1, NOW + n, tracks(NOW + n, 4, 300 - n)))
        records.close()
        with (tmp_path / hour_of(NOW) / "tracks.csv").open("a") as file:
            file.write(torn)
        assert written_since(tmp_path, NOW + 250).frame == 300
        assert written_since(tmp_path, NOW + 250).id == 49
        assert written_since(tmp_path, -math.inf).id == 300
        assert written_since(tmp_path / "none", NOW).frame == 0


class TestCountsOfAnHour:
    ZONE = Count("hall", "person", 7, 5, 2, None)

    def event(self, event, direction, seconds=None):
        return {"event": event, "zone": "hall", "class": "person", "direction": direction, "seconds": seconds}

    def test_are_what_its_events_add_up_to_also_after_a_kill(self, tmp_path):
        with closing(Records(tmp_path)) as records:
            records.tell(NOW - 1, [self.event("enter", "in")], [self.ZONE])
            records.tell(NOW, [self.event("enter", "in"), self.event("exit", "out", 4.0)], [self.ZONE])
        (tmp_path / hour_of(NOW) / "counts.csv").unlink()  # of a kill between the two files
        with (tmp_path / hour_of(NOW) / "events.jsonl").open("a") as file:
            file.write('{"event": "ex')
        with closing(Records(tmp_path)) as again:
            again.tell(NOW + 9, [], [self.ZONE])
            assert self.table(NOW, tmp_path) == ["hall,person,1,1,2,4.00"]
            again.tell(NOW + 9, [self.event("exit", "out", 2.0), self.event("dwell", None, 5.0)], [self.ZONE])
        assert self.table(NOW, tmp_path) == ["hall,person,1,2,2,3.00"]
        assert self.table(NOW - 1, tmp_path) == ["hall,person,1,0,2,"]

    def test_have_a_row_for_each_place_where_nothing_has_happened(self, tmp_path):
        line = Count("gate", "", 0, 0, None, None)
        with closing(Records(tmp_path)) as records:
            records.tell(NOW, [], [line, replace(self.ZONE, name="", ins=0, outs=0, inside=0)])
        assert self.table(NOW, tmp_path) == ["gate,,0,0,,", "hall,,0,0,0,"]

    def test_tell_of_a_class_that_only_the_events_know_any_more(self, tmp_path):
        for events, counts in (([self.event("enter", "in")], self.ZONE), ([], replace(self.ZONE, name="", inside=0))):
            with closing(Records(tmp_path)) as records:
                records.tell(NOW, events, [counts])
        assert self.table(NOW, tmp_path) == ["hall,person,1,0,0,"]

    def table(self, time_s, folder):
        head, *rows = (folder / hour_of(time_s) / "counts.csv").read_text().splitlines()
        assert head == "zone,class,in,out,inside,mean_dwell_s"
        return rows


class TestWhatIsKept:
    def hours(self, folder, names, size=1000):
        for name in names:
            (folder / name).mkdir(parents=True)
            (folder / name / MARK).touch()
            (folder / name / "tracks.csv").write_bytes(b"x" * size)
            for other in ("counts.csv", ".counts.csv.part"):  # the second of a kill
                (folder / name / other).touch()
        return folder

    def test_is_as_old_as_is_wanted(self, tmp_path):
        door = self.hours(tmp_path / "door", [hour_of(NOW - 3600 * n) for n in range(60)])
        assert prune([door], keep_days=1.5, keep_bytes=0, now_s=NOW) == 60 - 37
        assert min(path.name for path in door.iterdir()) == hour_of(NOW - 36 * 3600)

    def test_is_no_more_than_is_wanted_of_all_cameras_together_what_is_in_use_aside(self, tmp_path):
        cameras = [self.hours(tmp_path / c, [hour_of(NOW - 3600 * n) for n in range(5)]) for c in ("door", "yard")]
        in_use = [camera / hour_of(NOW) for camera in cameras]
        prune(cameras, keep_days=0, keep_bytes=3000, now_s=NOW, in_use=in_use)
        left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*"))
        assert left == [f"door/{hour_of(NOW)}", f"yard/{hour_of(NOW - 3600)}", f"yard/{hour_of(NOW)}"]
        prune(cameras, keep_days=0, keep_bytes=1, now_s=NOW, in_use=in_use)
        assert len(list(tmp_path.glob("*/*"))) == 2

    def test_includes_whatever_we_did_not_make(self, tmp_path):
        door = self.hours(tmp_path / "door", [hour_of(NOW - 86400 * n) for n in range(9, 5, -1)])
        hours = sorted(door.iterdir())
        (hours[0] / MARK).unlink()  # a folder of somebody else's
        (hours[1] / "notes.txt").write_text("mine")
        (hours[2] / "tracks.csv").unlink()
        (hours[2] / "tracks.csv").symlink_to(tmp_path / "mine.csv")
        (tmp_path / "mine.csv").write_text("mine")
        (door / "2020-01-01T00Z.bak").mkdir()
        prune([door], keep_days=1, keep_bytes=1, now_s=NOW)
        assert {path.name for path in door.iterdir()} == {h.name for h in hours[:3]} | {"2020-01-01T00Z.bak"}
        assert (hours[0] / "tracks.csv").is_file() and (hours[1] / "notes.txt").is_file()
        assert (hours[2] / "tracks.csv").is_symlink() and (tmp_path / "mine.csv").read_text() == "mine"


class TestASubscription:
    def test_drops_frames_without_news_and_keeps_those_with(self):
        queue = Subscription(limit=5)
        for n in range(100):
            queue.put(Moment("door", n, n, None, tracks(n), ended=(VISIT,) if n % 10 == 0 else ()))
        queue.close()
        assert [moment.number for moment in queue] == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, *range(95, 100)]
        assert (queue.dropped, queue.lost) == (85, 0)
        assert queue.get(0.01) is None


class TestSettings:
    def test_are_read_with_paths_beside_the_file(self, tmp_path):
        (tmp_path / "door.yaml").write_text("ignore: [{points: [[0, 0], [9, 0], [9, 9]]}]")
        (tmp_path / "site.yaml").write_text(
            "gallery: shared\nconfig: edge\nhttp: 127.0.0.1:8080\npublish: [mqtt://h/t]\nproject: out\ncameras:\n"
            "  door: {source: 'rtsp://bob:hunter2@h/x', zones: door.yaml, classes: [person], detect_every: auto}\n"
            "  yard: rtsp://h2/\n"
        )
        site = SiteConfig.load(tmp_path / "site.yaml")
        assert site.project == tmp_path / "out" and site.http.bind == "127.0.0.1:8080"
        assert site.cameras["door"].zones == str(tmp_path / "door.yaml")
        assert site.cameras["door"].shown == "rtsp://bob:***@h/x" and "hunter2" not in repr(site)
        assert site.cameras["yard"] == SiteCamera(source="rtsp://h2/")

    def test_take_the_places_of_the_only_camera_from_the_command(self, tmp_path):
        zones, ground = tmp_path / "zones.yaml", tmp_path / "camera.yaml"
        zones.write_text("lines: {gate: {points: [[0, 0], [9, 9]]}}")
        GroundPlane.from_points([[0, 0], [9, 0], [0, 9], [9, 9]], [[0, 0], [1, 0], [0, 1], [1, 1]]).save(ground)
        one = SiteConfig.of_sources(["rtsp://h/"])
        assert one.with_places(zones, ground).cameras["h"] == SiteCamera("rtsp://h/", str(zones), str(ground))
        assert one.with_places(None, ground).cameras["h"] == SiteCamera("rtsp://h/", camera=str(ground))
        with pytest.raises(ConfigError, match=r"this is a camera\.yaml \(points on the ground\)"):
            one.with_places(ground, None)

    def test_of_one_picture_are_not_taken_for_two_cameras(self, tmp_path, capsys):
        with pytest.raises(SystemExit) as end:
            main(["serve", "rtsp://h/", "rtsp://h2/", "--zones", str(tmp_path / "zones.yaml")])
        said = " ".join(capsys.readouterr().err.split())
        assert end.value.code == 2 and "of one picture, and there are 2 cameras; name those of each" in said

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("cameras: {a: {zone: x}}", "did you mean 'zones'? known: source, zones, camera, classes, detect_every"),
            ("camras: {a: x}", "did you mean 'cameras'?"),
            ("gallery: both\ncameras: {a: x}", "give own or shared"),
            ("cameras: {a: {source: x, detect_every: never}}", "cameras.a: detector.every is 'never'"),
            ("cameras: {../x: y}", "cannot be a camera's name"),
            ("cameras: {state: y}", "cannot be a camera's name"),
            ("cameras: {a: {record: true}}", "cameras.a has no source"),
            ("keep_days: -1\ncameras: {a: x}", "keep_days is -1"),
            ("cameras: {a: {source: x, zones: none.yaml}}", "cannot be read"),
            ("", "says nothing"),
            ("gallery: own", "there is no camera"),
            ("project:\ncameras: {a: x}", "project is None; give a folder"),
            ("cameras: [rtsp://bob:hunter2@h/]", "there is no camera"),
        ],
    )
    def test_that_cannot_be_meant_are_one_sentence(self, tmp_path, text, said):
        (tmp_path / "site.yaml").write_text(text)
        with pytest.raises(ConfigError) as raised:
            SiteConfig.load(tmp_path / "site.yaml")
        assert said in str(raised.value) and str(tmp_path / "site.yaml") in str(raised.value)
        assert "hunter2" not in str(raised.value) and "\n" not in str(raised.value)

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("rtps://bob:hunter2@h/live", "unknown protocol rtps://"),
            ("bob:hunter2@h/live", "begins with its protocol"),
            ("none.mp4", "no file none.mp4"),
        ],
    )
    def test_name_sources_that_no_waiting_mends(self, tmp_path, source, said):
        site = Site(replace(SiteConfig.of_sources([source]), project=tmp_path / "out"))
        with pytest.raises(SourceError, match=said) as raised:
            site.run()
        assert "hunter2" not in str(raised.value)
        assert not (tmp_path / "out").exists()

    def test_of_bare_sources_name_cameras_by_what_tells_them_apart(self):
        names = list(SiteConfig.of_sources(["rtsp://a/1", "rtsp://a/2", "x/people.mp4", "0", "y/people.mp4"]).cameras)
        assert names == ["a-1", "a-2", "people", "camera0", "camera5"]
        with pytest.raises(UsageError, match="twice"):
            SiteConfig.of_sources(["rtsp://bob:hunter2@a/1", "rtsp://bob:hunter2@a/1"])


def nothing():
    """What is known at a camera that has just begun."""
    return Known(Presence(1.0), PlaceCounts(Zones()), Metres(None))


class TestState:
    """In DIR/state/."""

    @pytest.mark.parametrize(
        "about",
        [
            '{"visits": {"here": [{"id": 1}]}}',
            '{"visits": {"here": [{"id": 1, "height_m": 2}]}}',
            '{"visits": [1]}',
            '{"number": "x", "time_s": []}',
            '{"time_s": "soon"}',
        ],
    )
    def test_of_another_version_is_said_and_begun_anew(self, tmp_path, caplog, about):
        store = StateFolder(tmp_path, False, BankConfig())
        (tmp_path / "state" / "door.json").write_text(about)
        tracker = Tracker(gallery=store.gallery("door"))
        resumed = store.resume("door", tracker, nothing(), tmp_path / "door")
        assert resumed.tracker is tracker and "does not know who was there" in caplog.text

    @pytest.mark.parametrize(("shared", "names"), [(True, ["gallery"]), (False, ["a", "a.gallery"])])
    def test_of_no_camera_is_where_a_gallery_is(self, tmp_path, shared, names):
        store = StateFolder(tmp_path, shared, BankConfig())
        for name in names:
            tracker = Tracker(gallery=store.gallery(name))
            store.save_gallery(name)
            store.save(name, tracker, nothing(), 7, NOW)
        for name in names:
            assert Tracker.load(tmp_path / "state" / f"{name}.safetensors", gallery=store.gallery(name))
        again = StateFolder(tmp_path, shared, BankConfig())
        assert [again.gallery(name) is not None for name in names] and len(list((tmp_path / "state").glob("*.s*"))) == (
            2 if shared else 4
        )


def test_results_that_cannot_be_looked_through_end_nothing(tmp_path, monkeypatch, caplog):
    def vanished(*_):
        raise FileNotFoundError("somebody has removed it")

    monkeypatch.setattr(supervisor, "prune", vanished)
    Site(replace(SiteConfig.of_sources(["rtsp://127.0.0.1:9/x"]), project=tmp_path, keep_days=1)).prune()
    assert "old results cannot be removed" in caplog.text


def test_a_subscription_that_was_closed_is_forgotten(tmp_path):
    site = Site(replace(SiteConfig.of_sources(["rtsp://127.0.0.1:9/x"]), project=tmp_path))
    for _ in range(10):
        site.subscribe().close()
    assert len(site._subscriptions) == 1
