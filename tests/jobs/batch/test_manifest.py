"""What is known of a batch survives whatever ends it."""

import csv
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import DataError
from tracker.jobs.batch.manifest import COLUMNS, JOURNAL, TABLE, Manifest, VideoRow, VideoState

NAMES = ["/a/one.mp4", '/a/with, "quotes"\nand a line.mp4', "/a/\udcff.mp4"]  # the last is no UTF-8


def table(folder) -> list[dict[str, str]]:
    with (folder / TABLE).open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def killed(manifest: Manifest) -> None:
    """Nothing more is written; only the file is closed."""
    manifest._lines.close()


@pytest.fixture
def manifest(tmp_path):
    manifest = Manifest(tmp_path)
    manifest.add(NAMES)
    yield manifest
    killed(manifest)


def test_has_a_row_for_each_source_from_the_start(manifest, tmp_path):
    assert COLUMNS == ("source", "state", "frames", "tracks", "seconds", "error")
    assert [(row["source"], row["state"]) for row in table(tmp_path)] == [(name, "waiting") for name in NAMES]


def test_what_is_noted_is_known_after_a_kill(manifest, tmp_path):
    done = VideoRow(NAMES[1], VideoState.DONE, 60, 3, 1.25)
    failed = VideoRow(NAMES[2], VideoState.FAILED, error="is empty, \xe4nd more")
    for row in (VideoRow(NAMES[0], VideoState.RUNNING), VideoRow(NAMES[1], VideoState.RUNNING), done, failed):
        manifest.note(row)
    killed(manifest)
    again = Manifest(tmp_path)
    assert list(again.rows.values()) == [VideoRow(NAMES[0], VideoState.INTERRUPTED), done, failed]
    again.close()
    assert not (tmp_path / JOURNAL).exists()
    assert [row["state"] for row in table(tmp_path)] == ["interrupted", "done", "failed"]


def test_the_table_is_not_made_anew_for_each_video(manifest, tmp_path):
    file = (tmp_path / TABLE).stat().st_ino
    for number in range(1000):
        manifest.note(VideoRow(NAMES[0], VideoState.DONE, number))
    assert (tmp_path / TABLE).stat().st_ino == file
    assert len((tmp_path / JOURNAL).read_bytes().splitlines()) == 1000


def test_the_table_is_made_anew_now_and_then_and_the_journal_begins_again(manifest, tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "_due", 0.0)
    manifest.note(VideoRow(NAMES[0], VideoState.DONE, 7))
    assert table(tmp_path)[0]["frames"] == "7" and not (tmp_path / JOURNAL).read_bytes()


@given(cut=st.integers(0, 400), states=st.lists(st.sampled_from(list(VideoState)), min_size=1, max_size=6))
def test_a_journal_that_is_cut_anywhere_says_what_its_whole_lines_say(tmp_path_factory, cut, states):
    folder = tmp_path_factory.mktemp("batch")
    manifest = Manifest(folder)
    manifest.add(NAMES)
    for number, state in enumerate(states):
        manifest.note(VideoRow(NAMES[number % 3], state, number))
    killed(manifest)
    kept = (folder / JOURNAL).read_bytes()[:cut]
    (folder / JOURNAL).write_bytes(kept)
    expected = {name: VideoRow(name) for name in NAMES}
    for number, state in list(enumerate(states))[: kept.count(b"\n")]:
        expected[NAMES[number % 3]] = VideoRow(NAMES[number % 3], state, number)
    stopped = {VideoState.RUNNING: VideoState.INTERRUPTED}
    again = Manifest(folder)
    killed(again)
    assert list(again.rows.values()) == [
        dataclasses.replace(row, state=stopped.get(row.state, row.state)) for row in expected.values()
    ]


@pytest.mark.parametrize(
    "text", ["", "name,age\n", ",".join(COLUMNS) + "\nx,lost,0,0,0,\n", ",".join(COLUMNS) + "\nx,done\n"]
)
def test_another_table_is_refused_and_left_as_it_is(text, tmp_path):
    (tmp_path / TABLE).write_text(text)
    with pytest.raises(DataError, match=rf"{TABLE} line \d is none of a manifest"):
        Manifest(tmp_path)
    assert (tmp_path / TABLE).read_text() == text
