"""A site: cameras side by side, each into its own files, one detector for all."""

import csv
import threading
from dataclasses import replace

import pytest

from helpers.cameras import cameras
from tracker import Config, Site
from tracker.site.config import SiteConfig

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
            if min(map(len, heard.values())) >= 25:
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
