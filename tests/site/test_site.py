"""A site: cameras side by side, each into its own files, one detector for all."""

import csv
import signal
import threading
import time
from dataclasses import replace

import pytest

from helpers.cameras import cameras
from helpers.clips import pan
from tracker import Config, Site, open_source
from tracker.errors import OutputError
from tracker.jobs.run import Output, run
from tracker.site.config import SiteCamera, SiteConfig

CONFIG = Config().override({"detector": {"imgsz": 160}, "device": "cpu", "appearance": {"enabled": False}})


def of(sources, folder, **more):
    return Site(replace(SiteConfig.of_sources(sources), project=folder, tracker=CONFIG, **more))


@pytest.fixture
def server():
    with cameras() as server:
        yield server


def rows(folder):
    return [
        row for path in sorted(folder.glob("*/tracks.csv")) for row in csv.DictReader(path.read_text().splitlines())
    ]


def test_two_cameras_are_tracked_at_once_and_a_subscriber_hears_of_both(server, tmp_path):
    site = of([f"http://127.0.0.1:{server.port}/{name}" for name in ("door", "yard")], tmp_path)
    subscription = site.subscribe()
    heard = {name: [] for name in site.config.cameras}

    def listen():
        for moment in subscription:
            heard[moment.camera].append(moment)
            if min(map(len, heard.values())) >= 12:
                site.stop()

    listener = threading.Thread(target=listen)
    listener.start()
    site.run()
    listener.join(5)
    assert list(heard) == ["127.0.0.1-door", "127.0.0.1-yard"]
    for name, moments in heard.items():
        came = {visit.id for moment in moments for visit in moment.started}
        assert came == {int(row["id"]) for row in rows(tmp_path / name)} != set()
        assert all(moment.image is None for moment in moments)
        assert site.cameras[name].newest.image.shape == (240, 284, 3)
        assert {path.name for path in (tmp_path / name).glob("*/*")} >= {"tracks.csv", "events.jsonl"}


def test_four_cameras_are_tracked_as_each_alone_byte_for_byte(tmp_path):
    looking = CONFIG.override({"detector": {"imgsz": 192}, "appearance": {"enabled": True}})
    clips = [pan(tmp_path / f"{n}.mp4", 12 + 2 * n, repeat_every=6 * (n % 2), fps=10 + n) for n in range(4)]
    single = [run([clip], looking, Output(tmp_path / "alone", video=False))[0].folder for clip in clips]
    own = {}
    for clip in clips:
        with open_source(clip) as source:
            own[clip.stem] = SiteCamera(source=[(frame.image, frame.time_s) for frame in source])
    Site(SiteConfig(cameras=own, tracker=looking, project=tmp_path / "site")).run()
    for clip, alone in zip(clips, single, strict=True):
        (together,) = (tmp_path / "site" / clip.stem).glob("*/tracks.csv")
        assert together.read_bytes() == (alone / "tracks.csv").read_bytes()
        assert len(together.read_text().splitlines()) > 20


def test_two_do_not_write_to_one_folder(tmp_path):
    first = of(["rtsp://127.0.0.1:9/x"], tmp_path)
    first.start()
    with pytest.raises(OutputError, match="another track serve writes to"):
        of(["rtsp://127.0.0.1:9/x"], tmp_path).start()
    first.stop()
    again = of(["rtsp://127.0.0.1:9/x"], tmp_path)
    again.start()
    again.stop()


def test_what_a_signal_does_waits_for_no_lock(tmp_path):
    """It interrupts the main thread, which may hold the one that its own waiting takes."""
    site, before, late = of(["rtsp://127.0.0.1:9/x"], tmp_path), signal.getsignal(signal.SIGINT), []

    def interrupts():
        while (handler := signal.getsignal(signal.SIGINT)) is before:
            time.sleep(0.01)
        with site._stop._cond:
            call = threading.Thread(target=handler, args=(signal.SIGINT, None))
            call.start()
            call.join(30)
            late.append(call.is_alive())

    other = threading.Thread(target=interrupts)
    other.start()
    site.run()
    other.join()
    assert late == [False]
