"""Cameras that fail as cameras do, side by side: the others lose no frame, and each comes back with its ids."""

import threading
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest

from faults.tcp_source import Session, TcpSource
from tracker import Config, Detections, Site
from tracker.site import intake
from tracker.site.config import SiteConfig
from tracker.site.feed import AWAY, CONNECTING, LIVE, SILENT
from tracker.site.looking import SharedDetector
from tracker.video import container

CONFIG = Config().override({"device": "cpu", "appearance": {"enabled": False}, "detector": {"imgsz": 64}})


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(intake, "PAUSE_S", 0.05)
    monkeypatch.setattr(intake, "SILENT_S", 1.0)
    monkeypatch.setattr(container, "SILENCE_S", 2.0)


@pytest.fixture(autouse=True)
def one_box(monkeypatch):
    """The streams show a plain grey: something stands in its middle, whatever its size."""

    def look(self, image):
        height, width = image.shape[:2]
        box = [0.3 * width, 0.2 * height, 0.5 * width, 0.8 * height]
        return Detections([box], [0.9], [0], names={0: "person"})

    monkeypatch.setattr(SharedDetector, "__call__", look)


@pytest.mark.slow
def test_one_killed_one_stalled_one_lying_one_changing_and_one_absent_hold_up_nobody(tmp_path):
    plans = {
        "sound": [Session(frames=1500)],
        "killed": [Session(frames=30, end="reset")],
        "stalled": [Session(frames=400, stall_after=30, silent="video"), Session(frames=1000)],
        "lying": [Session(frames=500, speed=0.5)],
        "changing": [Session(frames=30, end="reset"), Session(frames=1000, size=(128, 96))],
        "absent": [],
    }
    wanted = {"killed": AWAY, "stalled": SILENT, "changing": AWAY}
    seen: dict[str, list[str]] = {name: [] for name in plans}
    with ExitStack() as opened:
        servers = {name: opened.enter_context(TcpSource(sessions)) for name, sessions in plans.items()}
        sources = [server.url for server in servers.values()]
        site = Site(replace(SiteConfig.of_sources(sources), project=tmp_path, tracker=CONFIG))
        news = site.subscribe(100_000)
        names = dict(zip(plans, site.config.cameras, strict=True))

        def until_all_are_back():
            end_s, late = time.monotonic() + 60, False
            while time.monotonic() < end_s:
                time.sleep(0.02)
                now = {name: camera.status() for name, camera in zip(plans, site.cameras.values(), strict=False)}
                for name, status in now.items():
                    seen[name] += [status.state] if status.state not in seen[name][-1:] else []
                if not late and AWAY in seen["killed"] and now["sound"].frames > 50:
                    late = True
                    servers["killed"].add(Session(frames=1000))
                    servers["absent"].add(Session(frames=1000))
                faults = all(state in seen[name] for name, state in wanted.items())
                if now and faults and all(s.state == LIVE for s in now.values()) and now["sound"].frames > 150:
                    break
            site.stop()

        watcher = threading.Thread(target=until_all_are_back)
        watcher.start()
        site.run()
        watcher.join()
    found = list(news)
    moments = {name: [moment for moment in found if moment.camera == names[name]] for name in plans}
    status = {name: site.cameras[names[name]].status() for name in plans}

    assert seen["sound"] == [CONNECTING, LIVE]
    assert seen["absent"] == [CONNECTING, LIVE]
    for name, state in wanted.items():
        assert state in seen[name] and seen[name][-1] == LIVE, (name, seen[name])
        assert status[name].restarts == 1
    for name, of_camera in moments.items():
        *frames, rest = of_camera
        assert rest.number == frames[-1].number, "the last one once more, with what was still to settle"
        numbers, times = zip(*((moment.number, moment.time_s) for moment in frames), strict=True)
        assert numbers[-1] - len(numbers) <= status[name].dropped, "whatever was not tracked was counted"
        assert all(a < b for a, b in zip(times, times[1:], strict=False))
        assert abs(times[-1] - status[name].last_frame_s) < 3, "it goes by the wall clock"
        assert (status[name].width, status[name].height) == ((128, 96) if name == "changing" else (64, 48))
        ids = {i for moment in of_camera for frame in moment.settled for i in frame.tracks.ids.tolist()}
        assert ids == {1} or name in wanted, "where it was away for longer than motion remembers, looks are needed"
    sound = [moment.time_s for moment in moments["sound"]]
    assert max(b - a for a, b in zip(sound, sound[1:], strict=False)) < 2.0, "nobody held it up"
