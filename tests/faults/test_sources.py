"""Live sources with the faults that cameras have: what is delivered, in which times, and what is said."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from tcp_source import RATE, Session, TcpSource

from tracker.errors import SourceError
from tracker.video import container, live
from tracker.video.source import Frame, open_source

KINDS = ("tcp", "http", "mjpeg")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAUSE_S", 0.05)
    monkeypatch.setattr(container, "SILENCE_S", 0.6)


def read(
    url: str, reconnect_s: float, until: Callable[[list[Frame]], bool] = lambda _: False
) -> tuple[list[Frame], str]:
    """Frames of a source until enough, or until its error; and the error's message."""
    frames: list[Frame] = []
    try:
        with open_source(url, reconnect_s=reconnect_s) as source:
            for frame in source:
                frames.append(frame)
                if until(frames):
                    return frames, ""
    except SourceError as error:
        return frames, str(error)
    return frames, ""


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_a_stream_with_b_frames_that_breaks_off_keeps_its_last_pictures_and_their_times(kind: str, end: str) -> None:
    with TcpSource([Session(frames=40, cut=0.7, end=end)], kind) as server:
        frames, message = read(server.url, 0.2)
    times_s = np.array([frame.time_s for frame in frames])
    numbers = np.array([frame.number for frame in frames])
    assert numbers[-1] > 0.7 * 40 - 6
    # the very last ones may lack those that were to be shown before them
    np.testing.assert_allclose(np.diff(times_s)[:-2], np.diff(numbers)[:-2] / RATE, atol=1e-3)
    assert (np.diff(times_s)[-3:] < 5 / RATE).all()  # before, a busy machine may have missed some
    assert f"dropped after {numbers[-1]} frames and did not come back within 0.2 s" in message


def come_back(server: TcpSource, caplog: pytest.LogCaptureFixture) -> None:
    """Give a lost source another size, a second after it was said that it is lost."""
    while not any("tried again" in record.getMessage() for record in tuple(caplog.records)):
        time.sleep(0.02)
    time.sleep(1)
    server.add(Session(size=(96, 64)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_comes_back_in_another_size_goes_on_after_the_gap_and_it_is_said(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with TcpSource([Session(frames=30, end="reset")], kind) as server, caplog.at_level(logging.INFO, "tracker"):
        threading.Thread(target=come_back, args=(server, caplog), daemon=True).start()
        url = server.url.replace("://", "://bob:hunter2@")
        frames, message = read(url, 60, lambda frames: frames[-1].image.shape == (64, 96, 3))
    assert message == ""
    gap_s = frames[-1].time_s - frames[-2].time_s
    assert frames[-2].image.shape == (48, 64, 3)
    assert gap_s > 0.5
    said = [record.getMessage() for record in caplog.records if record.name.startswith("tracker")]
    assert len(said) == 2
    assert "tried again for 60 s" in said[0]
    assert float(said[1].split("is back after ")[1].removesuffix(" s")) == pytest.approx(
        gap_s, rel=0.5, abs=0.8
    )  # the first pictures come at once
    assert "hunter2" not in "".join(said)


def test_a_source_that_never_worked_fails_at_once() -> None:
    begun = time.monotonic()
    with TcpSource([], "tcp") as server, pytest.raises(SourceError, match=r"tcp://127\.0\.0\.1"):
        open_source(server.url, reconnect_s=600)
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("kind", ["tcp", "http"])
@pytest.mark.parametrize("silent", ["video", "all"])
def test_a_picture_that_stalls_counts_as_gone_whatever_sound_goes_on(kind: str, silent: str) -> None:
    with TcpSource([Session(frames=1500, stall_after=30, silent=silent), Session()], kind) as server:
        begun = time.monotonic()
        frames, message = read(server.url, 60, lambda _: server.connections == 2)
        assert message == ""
        assert time.monotonic() - begun < 45, "of the 60 seconds that sound goes on"
    assert frames[-2].number >= 29, "no picture is lost that came before"


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_pictures_come_before_a_slow_camera_has_sent_twenty_to_tell_its_rate_from(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "SILENCE_S", 10.0)  # opening may take no longer either
    with TcpSource([Session(frames=1500, speed=0.2)], kind) as server:
        read(server.url, 0, lambda frames: True)
        assert server.sent_s * RATE < 13


def test_waiting_for_a_source_ends_at_once_when_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAUSE_S", 600.0)
    numbers: list[int] = []

    def close() -> None:
        while numbers[-1:] != [20]:
            time.sleep(0.01)
        time.sleep(0.5)  # until it waits
        source.close()

    with TcpSource([Session(frames=20, end="reset")], "tcp") as server, open_source(server.url) as source:
        closer = threading.Thread(target=close, daemon=True)
        closer.start()
        numbers.extend(frame.number for frame in source)
        closer.join(60)
    assert numbers[-1] == 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_an_iteration_that_waits_for_its_first_frame_ends_when_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "SILENCE_S", 600.0)
    again: list[Frame] = []
    with TcpSource([Session(frames=40, end="reset"), Session(silent="all")], "http") as server:
        source = open_source(server.url)
        assert next(iter(source)).number == 1
        reader = threading.Thread(target=lambda: again.extend(source), daemon=True)
        reader.start()
        while server.connections < 2:
            time.sleep(0.01)
        closer = threading.Thread(target=source.close)
        closer.start()
        reader.join(60)
        assert not reader.is_alive()
        assert again == []
    closer.join()


@pytest.mark.parametrize("speed", [0.5, 3.0])
def test_times_are_the_stamps_however_fast_they_come(speed: float) -> None:
    with TcpSource([Session(frames=40, speed=speed, end="reset")], "tcp") as server:
        frames, _ = read(server.url, 0.1)
    span_s = (frames[-1].number - frames[0].number) / RATE
    assert frames[-1].time_s - frames[0].time_s == pytest.approx(span_s, abs=0.01)


def test_an_endless_recording_that_is_sent_faster_than_it_plays_has_ended_where_it_ends() -> None:
    with TcpSource([Session(frames=60, speed=20)], "http") as server:
        frames, message = read(server.url, 20)
    assert (frames[-1].number, message) == (60, "")


def test_a_server_that_lies_about_its_length_loses_no_picture_that_came() -> None:
    with TcpSource([Session(frames=40, length=1 << 30)], "http") as server:
        frames, message = read(server.url, 0.2)
    assert frames[-1].number == 40
    assert np.isfinite([frame.time_s for frame in frames]).all()
    assert "broke off after 40 frames" in message
