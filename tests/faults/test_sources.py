"""Live sources with the faults that cameras have: what is delivered, in which times, and what is said."""

import logging
import threading
import time

import numpy as np
import pytest
from tcp_source import RATE, Session, TcpSource

from tracker.errors import SourceError
from tracker.video import container, live
from tracker.video.source import open_source

INTERVAL_S = 1 / RATE


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(live, "PAUSE_S", 0.05)
    monkeypatch.setattr(container, "SILENCE_S", 0.6)


def read(url, reconnect_s=0.0, count=None):
    """Frames of a source, until `count` or its error; and the error's message."""
    frames, message = [], ""
    try:
        with open_source(url, reconnect_s=reconnect_s) as source:
            for frame in source:
                frames.append(frame)
                if len(frames) == count:
                    break
    except SourceError as error:
        message = str(error)
    return frames, message


@pytest.mark.parametrize("stop", ["close", "reset"])
@pytest.mark.parametrize("cut", [1.0, 0.7])
def test_a_stream_with_b_frames_that_breaks_off_keeps_its_times(stop, cut):
    with TcpSource([Session(stop=stop, cut=cut)]) as server:
        frames, message = read(server.url)
    times = np.array([frame.time_s for frame in frames])
    assert len(frames) >= 45 * cut
    assert np.isfinite(times).all()
    steps, numbers = np.diff(times), np.diff([frame.number for frame in frames])
    assert steps[:-1] == pytest.approx(INTERVAL_S * numbers[:-1], abs=1e-3)
    assert steps[-1] < 5 * INTERVAL_S  # B-frames before the last may be lost
    assert "dropped after" in message


def test_a_source_that_comes_back_goes_on_after_the_gap_and_says_so(caplog):
    with TcpSource([Session()]) as server, caplog.at_level(logging.WARNING, "tracker"):
        threading.Timer(3.0, server.add, [Session(size=(96, 64))]).start()
        frames, message = read(server.url, reconnect_s=10, count=80)
    assert message == ""
    times = np.array([frame.time_s for frame in frames])
    gap = np.diff(times).argmax()
    assert 0.6 < np.diff(times)[gap] < 6  # the absence counts
    assert [frames[gap].image.shape, frames[gap + 1].image.shape] == [(48, 64, 3), (64, 96, 3)]
    said = [record.message for record in caplog.records if server.url in record.message]
    assert "tried again for 10 s" in said[0] and "is back after" in said[-1]


def test_a_source_that_stays_away_for_longer_than_it_is_waited_for_is_gone():
    with TcpSource([Session()]) as server:
        frames, message = read(server.url, reconnect_s=0.8)
    assert len(frames) > 40
    assert "did not come back within 0.8 s" in message


def test_a_source_that_never_worked_fails_at_once():
    with TcpSource([]) as server:
        begun = time.monotonic()
        frames, message = read(server.url, reconnect_s=60)
    assert not frames and server.url in message
    assert time.monotonic() - begun < 5


def test_a_picture_that_stalls_while_sound_goes_on_is_a_source_that_is_away():
    with TcpSource([Session(frames=200, silent="video"), Session()]) as server:
        frames, _ = read(server.url, reconnect_s=5, count=105)
        assert server.connections == 2
    assert len(frames) == 105


def test_a_source_that_falls_silent_altogether_is_taken_up_again():
    with TcpSource([Session(silent="all"), Session()]) as server:
        frames, _ = read(server.url, reconnect_s=5, count=40)
        assert server.connections == 2
    assert len(frames) == 40


def test_waiting_for_a_source_ends_at_once_when_it_is_closed(monkeypatch):
    monkeypatch.setattr(live, "PAUSE_S", 30.0)
    with TcpSource([Session(frames=15)]) as server, open_source(server.url, reconnect_s=60) as source:
        threading.Timer(2.5, source.close).start()
        begun = time.monotonic()
        assert len(list(source)) >= 1
        assert time.monotonic() - begun < 6


@pytest.mark.parametrize("speed", [0.5, 3.0])
def test_times_are_the_stamps_however_fast_they_come(speed):
    with TcpSource([Session(frames=40, speed=speed)]) as server:
        frames, _ = read(server.url)
    span = frames[-1].time_s - frames[0].time_s
    assert span == pytest.approx(INTERVAL_S * (frames[-1].number - frames[0].number), abs=0.01)
