"""Frames that wait to be final when the process is killed: their rows are in the tables after the restart."""

import csv
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest

from tracker import Config, Detections, Tracker
from tracker.errors import OutputError
from tracker.site.feed import Settled
from tracker.site.results import unsettled
from tracker.site.results.records import Records
from tracker.site.results.unsettled import UnsettledFrames
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.video.source import Frame

CONFIG = Config().override({"appearance": {"enabled": False}})
BEGIN_S, RATE, COUNT = 1_764_446_396.0, 10, 80  # four seconds before an hour is full
NAMES = {0: "person"}
PICTURE = np.zeros((400, 600, 3), np.uint8)


def stream():
    """Frames with their tracks and how the camera moved: people walk, one is not seen for moments, not every frame is
    looked at, some repeat the one before, and from the fifth second to the sixth nobody is there."""
    tracker, rng, last = Tracker(CONFIG), np.random.default_rng(0), None
    for n in range(COUNT):
        frame = Frame(PICTURE, n + 1, BEGIN_S + n / RATE, repeated=n % 7 == 5)
        people = [p for p in range(4) if n >= 5 * p and not (p == 1 and n % 11 > 7) and not 45 <= n < 60]
        left = np.array([[100.0 * p + 3 * n] for p in people]).reshape(-1, 1)
        boxes = left + [0, 0, 60, 0] + np.array([0, 100, 0, 250]) + rng.normal(0, 1, (len(people), 4))
        look = n % 3 != 1
        if not frame.repeated:
            found = Detections(boxes, np.full(len(people), 0.9), names=NAMES) if look else None
            last = replace(tracker.update(PICTURE, found, time_s=frame.time_s, look=look), names=NAMES)
        yield frame, last, tracker.camera_motion


def smoother():
    return FixedLagSmoother(CONFIG.bank.report_delay_s, CONFIG.offline)


def unsettled_frames(folder):
    folder.mkdir(exist_ok=True)
    return UnsettledFrames(folder / "door.unsettled.jsonl", CONFIG.bank.report_delay_s)


def write(records, decided):
    for frame, tracks in decided:
        records.write(Settled(frame.number, frame.time_s, tracks))


def text(folder):
    return "".join(path.read_text() for path in sorted(folder.glob("door/*/tracks.csv")))


@pytest.fixture(scope="module")
def kills(tmp_path_factory):
    """What a kill leaves before and after a frame's rows are written, for each frame, and the frame's number."""
    root = tmp_path_factory.mktemp("kills")
    whole, waiting, held = root / "whole", unsettled_frames(root / "whole"), smoother()
    records, moments = Records(whole / "door"), []
    for frame, tracks, motion in stream():
        waiting.add(frame, tracks, motion, held.first)
        moments.append((shutil.copytree(whole, root / f"before-{frame.number}"), frame.number))
        write(records, held.push(frame, tracks, motion, frame.repeated))
        moments.append((shutil.copytree(whole, root / f"after-{frame.number}"), frame.number))
    records.close()
    waiting.clear()
    return moments


def ended_at(number, folder):
    """What a process leaves that is stopped properly after this frame."""
    held, records = smoother(), Records(folder / "door")
    for frame, tracks, motion in stream():
        if frame.number <= number:
            write(records, held.push(frame, tracks, motion, frame.repeated))
    write(records, held.flush())
    records.close()
    return text(folder)


def recover(folder):
    records = Records(folder / "door")
    unsettled_frames(folder).recover(records, smoother(), NAMES)
    records.close()


def test_after_a_kill_at_any_frame_the_tables_are_those_of_a_proper_end_there(kills, tmp_path):
    for folder, number in kills[10::9]:
        lacking = text(folder).count("\n")
        recover(folder)
        assert text(folder) == ended_at(number, tmp_path / folder.name)
        assert text(folder).count("\n") > lacking or 50 < number < 64, "rows had waited, but for where nobody is"


def test_no_row_is_there_twice_where_the_process_is_killed_while_it_makes_up_for_the_last_kill(kills, tmp_path):
    folder = shutil.copytree(kills[60][0], tmp_path / "killed")
    recover(folder)
    whole = text(folder)
    table = max(folder.glob("door/*/tracks.csv"))
    lines = table.read_bytes()
    for cut in (1, 30, 75, 200, 400):
        table.write_bytes(lines[:-cut])
        recover(folder)
        assert text(folder) == whole


def test_what_is_torn_or_of_another_version_costs_only_itself(kills, tmp_path, caplog):
    folder = shutil.copytree(kills[60][0], tmp_path / "killed")
    file = folder / "door.unsettled.jsonl"
    torn, whole = shutil.copytree(folder, tmp_path / "torn"), file.read_bytes()
    (torn / file.name).write_bytes(whole[:-20])
    recover(folder)
    recover(torn)
    assert not caplog.records
    ends = [int(list(csv.reader(text(f).splitlines()))[-1][0]) for f in (torn, folder)]
    assert ends[0] == ends[1] - 1
    for content in (b"{}\n", b"[]\n", b"\xff\n", b'{"number": 3}\n', whole.replace(b'"motion"', b'"notion"')):
        file.write_bytes(content)
        before = text(folder)
        with caplog.at_level(logging.WARNING):
            recover(folder)
        assert text(folder) == before
        assert "are lost" in caplog.text
        caplog.clear()


def test_the_file_holds_what_waits_and_little_more(tmp_path, monkeypatch):
    monkeypatch.setattr(unsettled, "_MOST", 4000)
    waiting, held, sizes = unsettled_frames(tmp_path), smoother(), []
    records = Records(tmp_path / "door")
    for frame, tracks, motion in stream():
        waiting.add(frame, tracks, motion, held.first)
        write(records, held.push(frame, tracks, motion, frame.repeated))
        sizes.append((tmp_path / "door.unsettled.jsonl").stat().st_size)
    assert max(sizes[40:]) <= max(sizes[:40]) + 1200  # no more with time, but for a line
    assert max(sizes) < 4000 + 20 * 1200
    records.close()
    recover(tmp_path)
    waiting.clear()
    assert text(tmp_path) == ended_at(COUNT, tmp_path / "ended")
    assert not (tmp_path / "door.unsettled.jsonl").exists()


def test_a_disk_that_is_full_for_a_while_costs_nothing_that_comes_after_it(tmp_path):
    waiting, held, records = unsettled_frames(tmp_path), smoother(), Records(tmp_path / "door")
    file = tmp_path / "door.unsettled.jsonl"
    for frame, tracks, motion in stream():
        if frame.number == 20:
            waiting.clear()
            file.mkdir()  # where it cannot be written
        if 20 <= frame.number < 30:
            with pytest.raises(OutputError):
                waiting.add(frame, tracks, motion, held.first)
        else:
            file.rmdir() if file.is_dir() else None
            waiting.add(frame, tracks, motion, held.first)
        write(records, held.push(frame, tracks, motion, frame.repeated))
    records.close()
    recover(tmp_path)
    waiting.clear()
    assert text(tmp_path) == ended_at(COUNT, tmp_path / "ended")
