"""edits.json: what it may hold, and that what lies is refused in one sentence that names the edit."""

import json
import os

import pytest

from tracker.errors import DataError, OutputError
from tracker.jobs.corrections.edits import (
    MOST_BYTES,
    MOST_EDITS,
    Delete,
    EditList,
    Interpolate,
    Merge,
    PlaceBox,
    Reclassify,
    Rename,
    Split,
    Swap,
    fingerprint,
)

RUN = "0" * 64
ALL = (
    Merge(7, 3),
    Split(3, 120, 41),
    Swap((3, 7), 120),
    Delete(3),
    Delete(3, 1, 50),
    Delete(3, last=50),
    Rename(3, "Anna Müller-Lüdenscheidt 👩\u200d🚀"),
    Reclassify(3, "car"),
    PlaceBox(3, 100, (1.5, 2.0, 30.25, 40.0)),
    PlaceBox(42, 100, (1.0, 2.0, 30.0, 40.0), "car"),
    Interpolate(3, 100, 130),
)


def said(*edits, **more):
    return {"version": 1, "run": RUN, "edits": list(edits), **more}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "tracks.csv").write_text("frame,time_s,id\n")
    return tmp_path


class TestTheFile:
    def test_says_again_what_was_saved(self, run):
        EditList(fingerprint(run), ALL).save(run)
        assert EditList.read(run).edits == ALL
        assert json.loads((run / "edits.json").read_text())["edits"][1] == {
            "edit": "split",
            "id": 3,
            "frame": 120,
            "new": 41,
        }

    def test_is_the_same_for_the_same_edits(self):
        text = EditList(RUN, ALL).text
        assert (
            EditList.parsed(text).text
            == EditList.parsed(text.encode()).text
            == EditList.parsed(json.loads(text)).text
            == text
        )

    def test_is_an_empty_list_where_there_is_none(self, run):
        assert EditList.read(run) == EditList(fingerprint(run))

    def test_of_another_run_is_neither_read_nor_saved(self, run):
        with pytest.raises(DataError, match="made for another tracks"):
            EditList(RUN).save(run)
        assert not (run / "edits.json").exists()
        EditList(fingerprint(run)).save(run)
        (run / "tracks.csv").write_text("frame,time_s,id\n1,0,1\n")
        with pytest.raises(DataError, match=r"made for another tracks.csv .* correct anew"):
            EditList.read(run)

    def test_replaces_a_link_and_not_what_it_leads_to(self, run, tmp_path_factory):
        mine = tmp_path_factory.mktemp("mine") / "letter.txt"
        mine.write_text("dear")
        (run / "edits.json").symlink_to(mine)
        EditList(fingerprint(run), ALL).save(run)
        assert mine.read_text() == "dear" and EditList.read(run).edits == ALL

    def test_that_is_a_pipe_is_not_waited_for(self, run):
        os.mkfifo(run / "edits.json")
        with pytest.raises(DataError, match="is no file"):
            EditList.read(run)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_stays_as_it_was_where_it_cannot_be_written(self, run):
        EditList(fingerprint(run), ALL[:1]).save(run)
        run.chmod(0o500)
        try:
            with pytest.raises(OutputError):
                EditList(fingerprint(run), ALL).save(run)
            assert EditList.read(run).edits == ALL[:1]
        finally:
            run.chmod(0o700)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("9" * 5000, "is not JSON"),
        (b" " * (MOST_BYTES + 1), "larger than 4 MiB"),
        ([], "has not just version, run and edits"),
        (said(more=1), "has not just version, run and edits"),
        (said(version=2), "is of version 2, and this tracker reads 1"),
        (said(version=True), "is of version True"),
        (said(run="../../etc/passwd"), "give the SHA-256"),
        ({**said(), "edits": {}}, "no list of at most"),
        (said(*[{"edit": "delete", "id": 1}] * (MOST_EDITS + 1)), "no list of at most"),
    ],
)
def test_a_file_that_is_none_is_refused(content, says):
    with pytest.raises(DataError, match=says) as refused:
        EditList.parsed(content)
    assert len(str(refused.value)) < 300 and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (7, "is 7; give one of: merge, split"),
        ({"edit": "explode", "id": 1}, "is 'explode'; give one of"),
        ({"edit": ["merge"]}, "give one of"),
        ({"edit": "merge", "id": 7}, r"\(merge\) has no into"),
        ({"edit": "merge", "id": 7, "into": 7}, "into itself"),
        ({"edit": "merge", "id": 0, "into": 7}, "has id 0; give a whole number from 1"),
        ({"edit": "merge", "id": True, "into": 7}, "has id True"),
        ({"edit": "merge", "id": 1.5, "into": 7}, "has id 1.5"),
        ({"edit": "merge", "id": 10**400, "into": 7}, "has id a huge number"),
        ({"edit": "merge", "id": 1, "into": 7, "<script>": 1}, "unknown key '<script>'"),
        ({"edit": "split", "id": 7, "frame": 2, "new": 7}, "not in use"),
        ({"edit": "swap", "ids": [3, 3], "frame": 2}, "two different ids"),
        ({"edit": "swap", "ids": [3], "frame": 2}, "two different ids"),
        ({"edit": "swap", "ids": [[3], 4], "frame": 2}, "whole number"),
        ({"edit": "delete", "id": 3, "from": 9, "to": 2}, "the earlier frame first"),
        ({"edit": "interpolate", "id": 3, "from": 9, "to": 2}, "the earlier frame first"),
        ({"edit": "rename", "id": 3, "name": ""}, "1 to 100 letters"),
        ({"edit": "rename", "id": 3, "name": "x" * 101}, "1 to 100 letters"),
        ({"edit": "rename", "id": 3, "name": "a\nb"}, "cannot be printed"),
        ({"edit": "rename", "id": 3, "name": "a\u202eb"}, "cannot be printed"),
        ({"edit": "rename", "id": 3, "name": "\ud800"}, "cannot be printed"),
        ({"edit": "rename", "id": 3, "name": "=HYPERLINK(1)"}, "formula"),
        ({"edit": "class", "id": 3, "class": 2}, "letters"),
        ({"edit": "box", "id": 3, "frame": 1, "box": [1, 2, 3]}, "left, top, right and bottom"),
        ({"edit": "box", "id": 3, "frame": 1, "box": [5, 2, 3, 4]}, "empty or reversed"),
        ({"edit": "box", "id": 3, "frame": 1, "box": [1, 2, 3, 1e9]}, "which no picture has"),
        ({"edit": "box", "id": 3, "frame": 1, "box": [1, 2, 3, 10**400]}, "which no picture has"),
        ({"edit": "box", "id": 3, "frame": 1, "box": [1, 2, 3, float("nan")]}, "which no picture has"),
        ({"edit": "box", "id": 3, "frame": 1, "box": [1, 2, 3, float("inf")]}, "which no picture has"),
    ],
)
def test_an_edit_that_is_none_is_refused_by_its_number(edit, says):
    with pytest.raises(DataError, match=says) as refused:
        EditList.parsed(said({"edit": "delete", "id": 1}, edit))
    assert str(refused.value).startswith("edit 2 of edits.json") and len(str(refused.value)) < 300
