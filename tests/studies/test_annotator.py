"""The annotator of the study, on a small run whose mistakes are known."""

import json
import shutil

import pytest

from annotator import Annotator, gone_over, opened, places, right, viewed, wrong
from helpers.crowded_runs import write_run, write_video
from helpers.finished_runs import annotated, leave_run
from street_mistakes import Outline
from tracker.jobs.corrections.edits import Merge, Split

FRAMES = 60


def box(place, frame):
    return place + frame, 100, place + 40 + frame, 200


def outline(thing, frame, place):
    return Outline(f"by {place}", "clip", frame, thing, box(place, frame))


# At 20 a car that is two tracks; at 240 track 3, which goes over from a woman to a man before track 4 has him; at 460
# two people, one after the other.
SPANS = [(1, 20, 1, 30), (2, 20, 34, 60), (3, 240, 1, 40), (4, 240, 41, 60), (5, 460, 1, 30), (6, 460, 34, 60)]
SEEN = [
    outline("car", 10, 20), outline("car", 50, 20), outline("woman", 10, 240), outline("man", 33, 240),
    outline("man", 50, 240), outline("boy", 10, 460), outline("girl", 50, 460),
]  # fmt: skip


def rows():
    return [(f, track, *box(place, f)) for track, place, begin, end in SPANS for f in range(begin, end + 1)]


def test_what_is_wrong_is_told_by_object_and_place():
    found = wrong(annotated(rows()), SEEN)
    assert found[0, 1] == "car (10) is 1, car (50) is 2"
    assert places(found, SEEN) == ["by 20", "by 240"]
    twice = wrong(annotated([*rows(), (10, 7, *box(22, 10))]), SEEN)
    assert twice[0, 0] == "car (10) is 1 and 7"
    assert wrong(annotated(rows()[30:]), SEEN)[0, 0] == "car (10) is not there"


def test_an_edit_is_right_where_it_mends_something_and_harms_nothing(tmp_path):
    run = leave_run(tmp_path / "run", annotated(rows()))
    assert right(run, [], [Merge(2, 1)], SEEN)
    assert not right(run, [], [Merge(4, 3)], SEEN), "the man would be the woman for longer"
    assert not right(run, [], [Merge(6, 5)], SEEN)
    assert not right(run, [Merge(2, 1)], [], SEEN)
    assert right(run, [Merge(2, 1)], [Split(3, 33, 7), Merge(7, 4)], SEEN)


def test_a_track_goes_over_where_it_is_first_on_another_object():
    assert gone_over(annotated(rows()), SEEN, 3) == SEEN[3]
    assert gone_over(annotated(rows()), SEEN, 1) is None


@pytest.mark.slow
def test_it_mends_what_is_wrong_and_leaves_the_rest(tmp_path):
    pytest.importorskip("playwright.sync_api")
    if not (shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("Chromium is not installed")
    video = write_video(tmp_path / "video.mp4", FRAMES)
    folder = write_run(tmp_path / "run", [(*row, "person", "confirmed") for row in rows()], FRAMES, str(video))
    with viewed(folder) as url, opened(url) as page:
        annotator = Annotator(page, folder, SEEN)
        annotator.work()
        there = page.evaluate("() => page.panel.lists.doubts.length")
    said = json.loads((folder / "edits.json").read_text())["edits"]
    assert sorted(said, key=str) == [
        {"edit": "merge", "id": 2, "into": 1},
        {"edit": "merge", "id": 7, "into": 4},
        {"edit": "split", "id": 3, "frame": 33, "new": 7},
    ]
    assert (annotator.looked, annotator.clicks) == (there, 1)
    to_33 = 1 + 2  # ten frames back from 41, and two on
    assert annotator.keys == there + 1 + len("y") + to_33 + len(["s", "Enter", "m", "4", "Enter"])
