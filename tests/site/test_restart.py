"""What is on disk at any moment is enough to go on: ids, numbers of frames, whole lines, visits."""

import csv
import random
import shutil

import numpy as np
import pytest

from helpers.clips import pan
from tracker import Config, Site, open_source
from tracker.boxes import iou
from tracker.site import persistence
from tracker.site.config import SiteCamera, SiteConfig

CONFIG = Config().override({"detector": {"imgsz": 192}, "device": "cpu"})
RATE = 12


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Images and times of people that stay in view."""
    with open_source(pan(tmp_path_factory.mktemp("clip") / "a.mp4", 44, fps=RATE)) as source:
        return [(frame.image, frame.time_s) for frame in source]


def run(frames, folder):
    Site(SiteConfig(cameras={"door": SiteCamera(source=frames)}, tracker=CONFIG, project=folder)).run()


def rows(folder):
    (table,) = folder.glob("door/*/tracks.csv")
    text = table.read_text()
    assert text.endswith("\n")
    found = list(csv.DictReader(text.splitlines()))
    assert all(None not in row.values() and None not in row for row in found), "whole rows"
    return found


def boxes(rows, frame):
    here = [row for row in rows if int(row["frame"]) == frame]
    edges = [[float(row[edge]) for edge in ("left", "top", "right", "bottom")] for row in here]
    return [int(row["id"]) for row in here], np.array(edges, np.float32).reshape(-1, 4)


class Killed:
    """Frames during which copies of the folder are made: what a kill leaves, at these frames."""

    def __init__(self, frames, folder, at):
        self._frames, self._folder, self._at = frames, folder, at

    def __iter__(self):
        for number, frame in enumerate(self._frames, 1):
            if number in self._at:
                shutil.copytree(self._folder, self._folder.with_name(f"killed-{number}"))
            yield frame


def test_after_a_kill_at_any_moment_everyone_keeps_the_id(frames, tmp_path, monkeypatch):
    monkeypatch.setattr(persistence, "EVERY_S", 0.1)  # of the clock, which these frames outrun
    monkeypatch.setattr(persistence, "SOON_S", 0.0)
    moments = random.Random(2).sample(range(12, 30), 2)
    run(Killed(frames, tmp_path / "whole", moments), tmp_path / "whole")
    whole = rows(tmp_path / "whole")
    for moment in moments:
        folder = tmp_path / f"killed-{moment}"
        (table,) = folder.glob("door/*/tracks.csv")
        table.write_bytes(table.read_bytes() + b"12,0.9")  # torn
        before = rows_of_torn(table)
        away = 3  # frames that nobody saw
        run(frames[moment + away :], folder)
        after = rows(folder)
        assert after[: len(before)] == before
        new = after[len(before) :]
        assert int(new[0]["frame"]) > int(before[-1]["frame"]) and float(new[0]["time_s"]) > float(before[-1]["time_s"])
        for shift in (6, 9):  # frames after the restart, once all are confirmed
            ids, place = boxes(whole, moment + away + shift)
            shown = f"{frames[moment + away + shift - 1][1]:.4f}"
            again = [row for row in new if row["time_s"] == shown]
            known, now = boxes(again, int(again[0]["frame"]))
            nearest = iou(place, now).argmax(axis=1)
            assert len(ids) >= 2 and [known[n] for n in nearest] == ids


def test_ids_are_not_given_out_again_where_neither_state_nor_gallery_helps(frames, tmp_path):
    run(frames[:14], tmp_path)
    before = rows(tmp_path)
    for state in (tmp_path / "state").glob("*.safetensors"):
        state.write_bytes(b"damaged")
    run(frames[14:28], tmp_path)
    new = rows(tmp_path)[len(before) :]
    assert min(int(row["id"]) for row in new) > max(int(row["id"]) for row in before)


def rows_of_torn(table):
    whole = table.read_text().rpartition("\n")[0]
    return list(csv.DictReader(whole.splitlines()))


def test_ids_go_on_where_nobody_asked_what_objects_look_like(frames, tmp_path):
    plain = CONFIG.override({"appearance": {"enabled": False}})
    for part in (frames[:12], frames[12:24]):
        cameras = {"door": SiteCamera(source=part)}
        Site(SiteConfig(cameras=cameras, tracker=plain, project=tmp_path)).run()
    ids = {int(row["frame"]): row["id"] for row in rows(tmp_path)}
    assert ids[11] == ids[14]
