"""`track apply`: RUN/corrected, to the byte where nobody corrected anything, else as computed by hand."""

import csv
import json
import os
import re
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest
import yaml

from helpers.clips import pan
from helpers.commands import ended
from helpers.finished_runs import annotated, leave_run, walking
from tracker.columns.carried import Columns
from tracker.columns.masks import Masks
from tracker.datasets.finished_run import FinishedRun
from tracker.datasets.formats.known import FORMATS
from tracker.errors import DataError, OutputError, UsageError
from tracker.jobs.corrections.apply import apply
from tracker.jobs.corrections.corrected import corrected
from tracker.jobs.corrections.edits import (
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
from tracker.jobs.replay import repetition

TABLES = ("tracks.txt", "tracks.csv", "summary.csv", "tracks.jsonl", "events.jsonl", "counts.csv")
ZONES = {
    "lines": {"gate": {"points": [[0, 120], [320, 120]]}},  # upwards is in
    "zones": {"left": {"points": [[0, 0], [160, 0], [160, 240], [0, 240]], "dwell_s": 0.5}},
}
CAMERA = {
    "points": [{"px": [x, y], "m": [x / 40, y / 40]} for x, y in ([0, 0], [320, 0], [0, 240], [320, 240], [160, 120])]
}


def somewhere(seed=0, frames=40):
    """People who go straight, jitter and are not seen at times: boxes with all their digits."""
    random = np.random.default_rng(seed)
    rows = []
    for track in range(1, 7):
        seen = np.flatnonzero(random.random(frames) < 0.9) + 1
        start, step = random.uniform([60, 60], [260, 230]), random.uniform(-4, 4, 2)
        for f in seen.tolist():
            x, y = start + f * step + random.normal(0, 1, 2)
            rows.append(
                (f, track, x - 10, y - 40, x + 10, y, track % 2 * 2, random.uniform(0.2, 1), track > 4 and f % 5 == 0)
            )
    return annotated(rows, frames)


def read(folder):
    return {name: (folder / name).read_bytes() for name in TABLES if (folder / name).exists()}


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def correct(run, *edits, **options):
    EditList(fingerprint(run.folder), edits).save(run.folder)
    return apply(run.folder, **options)


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A run with all files, masks and data in some frames."""
    video, columns = somewhere(), {}
    for frame in range(3, 41):
        rows = (~video.occluded & (video.frames == frame)).sum()
        covered = np.zeros((rows, 240, 320), bool)
        covered[:, 100, frame : frame + 3] = True
        points = np.random.default_rng(frame).uniform(0, 200, (rows, 2, 3)).astype(np.float32)
        data = {"plate": np.array([f"A{frame}"] * rows, object), "speed": np.linspace(0, 1, rows)}
        columns[frame] = Columns(Masks.of(covered), points, None, data)
    folder = tmp_path_factory.mktemp("everything")
    return leave_run(folder / "run", video, zones=ZONES, camera=CAMERA, json=True, columns=columns)


def test_the_table_in_parquet_is_corrected_too(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    run = leave_run(tmp_path / "run", somewhere(), camera=CAMERA, parquet=True)
    done = correct(run, Rename(3, "Anna"), Delete(2))
    assert "tracks.parquet" in yaml.safe_load((done.folder / "run.yaml").read_text())["files"]
    found = parquet.read_table(done.folder / "tracks.parquet")
    rows = table(done.folder / "tracks.csv")
    assert found.column_names == list(rows[0]) and found.column_names[-1] == "object_name"
    assert [f"{x:.2f}" for x in found["left"].to_pylist()] == [row["left"] for row in rows]
    assert found["object_name"].to_pylist() == [row["object_name"] or "" for row in rows]
    assert found.schema.field("speed_m_s").metadata[b"unit"] == b"metres/s"


class TestBytes:
    def test_no_edit_gives_the_runs_own(self, everything):
        done = correct(everything)
        assert read(done.folder) == read(everything.folder) and set(read(done.folder)) == set(TABLES)
        assert (done.edits, done.objects) == (0, 0)

    def test_an_edit_and_its_undo_too_and_the_same_edits_the_same(self, everything):
        before = read(correct(everything, Merge(2, 1)).folder)
        after = read(correct(everything, Merge(2, 1), Swap((3, 4), 20), Rename(3, "Anna")).folder)
        assert before != after
        assert read(correct(everything, Merge(2, 1)).folder) == before
        assert read(correct(everything).folder) == read(everything.folder)

    def test_of_others_stay_where_one_object_is_corrected(self, everything):
        done = correct(everything, Delete(2, 1, 10))
        for name, column in (("tracks.csv", "id"), ("summary.csv", "id")):
            others = [
                [row for row in table(folder / name) if row[column] != "2"]
                for folder in (everything.folder, done.folder)
            ]
            assert others[0] == others[1] and others[0]

    def test_of_the_run_itself_are_never_touched(self, everything):
        files = {
            path: path.read_bytes()
            for path in everything.folder.iterdir()
            if path.is_file() and path.name != "edits.json"
        }
        correct(everything, Merge(2, 1), Delete(3))
        assert all(path.read_bytes() == content for path, content in files.items())

    def test_of_a_real_run_of_a_real_clip(self, tmp_path):
        """The tracker's own, smoothed, with repeats, classes and predicted boxes."""
        from tracker.analytics.zones import Zones
        from tracker.config import Config
        from tracker.jobs.run import Output, run

        settings = Config().override({"detector": {"imgsz": 320}, "device": "cpu"})
        zones = {"zones": {"all": {"points": [[0, 0], [320, 0], [320, 240], [0, 240]], "anchor": "centre"}}}
        clip = pan(tmp_path / "pan.mp4", 12, repeat_every=5)
        (result,) = run([clip], settings, Output(tmp_path, json=True), zones=Zones.parsed(zones, ""))
        done = apply(result.folder)
        assert read(done.folder) == read(result.folder) and set(read(done.folder)) == set(TABLES)
        assert not done.without_video and (done.folder / "video.mp4").stat().st_size > 1000


class TestRows:
    def test_are_those_of_the_corrected_annotations(self, everything):
        edits = (
            Swap((1, 3), 15),
            Merge(2, 4),
            Split(5, 20, 9),
            Delete(6, 5, 15),
            Reclassify(9, "bicycle"),
            PlaceBox(11, 5, (10, 10, 30.5, 60), "person"),
            PlaceBox(11, 9, (50, 10, 70.5, 60)),
            Interpolate(11, 5, 9),
            PlaceBox(1, 8, (100, 100, 120, 140)),
        )
        done = correct(everything, *edits)
        expected = corrected(everything.annotations, edits, everything.tracked)
        found = FinishedRun.read(done.folder).annotations
        used = {number: expected.names[number] for number in np.unique(expected.classes).tolist()}
        assert found.equals(replace(expected, names=used), pixels=0.0051)
        np.testing.assert_allclose(found.by_id.scores, expected.by_id.scores, atol=1e-4)
        np.testing.assert_array_equal(found.columns.data["plate"], expected.columns.data["plate"])
        assert done.tracks == len(np.unique(expected.ids))

    def test_names_are_a_column_of_their_own(self, everything):
        done = correct(everything, Rename(3, 'Anna "A", B'), Rename(1, "Bert"))
        for name in ("tracks.csv", "summary.csv"):
            for row in table(done.folder / name):
                assert row["object_name"] == {"3": 'Anna "A", B', "1": "Bert"}.get(row["id"], "")
        assert FinishedRun.read(done.folder).annotations.equals(everything.annotations)

    @pytest.mark.parametrize("camera", [CAMERA, None])
    def test_are_parquet_too_where_the_run_left_that(self, tmp_path, camera):
        arrow = pytest.importorskip("pyarrow.parquet")
        run = leave_run(tmp_path / "run", somewhere(frames=12), camera=camera)
        (run.folder / "tracks.parquet").write_bytes(b"")  # it is made of the table
        for edits in ([Merge(2, 1)], [Merge(2, 1), Rename(3, "Anna")]):
            folder = correct(run, *edits).folder
            found = arrow.read_table(folder / "tracks.parquet")
            rows = table(folder / "tracks.csv")
            assert found.column_names == list(rows[0])
            assert found["id"].to_pylist() == [int(row["id"]) for row in rows]
            assert found.column_names.count("object_name") == len(edits) - 1
            (said,) = FORMATS["parquet"].read(folder / "tracks.parquet")
            assert said.annotations().equals(FinishedRun.read(folder).annotations)
            assert "tracks.parquet" in yaml.safe_load((folder / "run.yaml").read_text())["files"]

    def test_of_a_merged_object_make_one_line_of_the_summary(self, tmp_path):
        video = annotated([*walking(1, range(1, 11), (50, 100), (4, 0)), *walking(2, range(11, 21), (90, 100), (4, 0))])
        run = leave_run(tmp_path / "run", video)
        (row,) = table(correct(run, Merge(2, 1)).folder / "summary.csv")
        assert (row["id"], row["first_frame"], row["last_frame"], row["frames"]) == ("1", "1", "20", "20")
        assert float(row["path_px"]) == pytest.approx(19 * 4) and float(row["mean_speed_px_s"]) == pytest.approx(40)

    def test_have_metres_and_speeds_of_the_corrected_objects(self, tmp_path):
        """Two people pass each other, 1 m/s and 0.5 m/s, and their ids were swapped halfway."""
        ways = [walking(1, range(1, 41), (40, 100), (4, 0)), walking(2, range(1, 41), (280, 180), (-2, 0))]
        wrong = [(f, 3 - track if f > 20 else track, *rest) for way in ways for f, track, *rest in way]
        run = leave_run(tmp_path / "run", annotated(wrong), camera=CAMERA)
        done = correct(run, Swap((1, 2), 21))
        last = {row["id"]: row for row in table(done.folder / "tracks.csv")[-2:]}
        assert float(last["1"]["speed_m_s"]) == pytest.approx(1.0, abs=0.05)
        assert float(last["2"]["speed_m_s"]) == pytest.approx(0.5, abs=0.05)
        assert float(last["1"]["x_m"]) == pytest.approx((40 + 39 * 4) / 40, abs=0.05)
        summary = {row["id"]: row for row in table(done.folder / "summary.csv")}
        assert float(summary["1"]["path_m"]) == pytest.approx(3.9, abs=0.05)


class TestEvents:
    """A walks up through the gate at y = 120 and is lost on the line; goes on as B. C stands in the zone."""

    @pytest.fixture
    def run(self, tmp_path):
        rows = [
            *walking(1, range(1, 16), (240, 150), (0, -1)),  # A: y 150 to 136
            *walking(2, range(30, 51), (240, 110), (0, -1)),  # B: y 110 to 90
            *walking(3, range(1, 51), (80, 60), (0, 0)),
        ]
        return leave_run(tmp_path / "run", annotated(rows, 50), zones=ZONES)

    def test_a_merge_makes_the_crossing_that_was_missed(self, run):
        assert not [event for event in run.events if event["zone"] == "gate"]
        done = correct(run, Merge(2, 1))
        (crossing,) = [event for event in FinishedRun.read(done.folder).events if event["zone"] == "gate"]
        assert (crossing["id"], crossing["direction"], crossing["class"]) == (1, "in", "person")
        # straight from y 136 at 1.4 s to y 110 at 2.9 s: at 120 after 16 of 26 pixels
        assert crossing["time_s"] == pytest.approx(1.4 + 1.5 * 16 / 26, abs=1e-3)
        rows = {(row["zone"], row["class"]): row for row in table(done.folder / "counts.csv")}
        assert (rows["gate", "person"]["in"], rows["gate", "person"]["out"]) == ("1", "0")

    def test_those_of_the_zone_stay_as_they_were(self, run):
        done = correct(run, Merge(2, 1))
        events = [
            [event for event in of.events if event["zone"] == "left"] for of in (run, FinishedRun.read(done.folder))
        ]
        assert events[0] == events[1] and len(events[0]) == 2  # enter and dwell
        lines = [(of / "counts.csv").read_text().splitlines()[-1] for of in (run.folder, done.folder)]
        assert lines == ["left,person,1,0,1,4.90"] * 2

    def test_a_deleted_object_is_not_counted(self, run):
        done = correct(run, Delete(3))
        assert (done.folder / "events.jsonl").read_text() == ""
        assert (done.folder / "counts.csv").read_text().splitlines()[1:] == ["gate,,0,0,,", "left,,0,0,0,"]

    def test_half_a_stay_is_half_as_long(self, run):
        done = correct(run, Delete(3, 26, 50))
        last = FinishedRun.read(done.folder).events[-1]
        assert (last["event"], last["seconds"]) == ("exit", pytest.approx(2.4))
        assert (done.folder / "counts.csv").read_text().splitlines()[-1] == "left,person,1,1,0,2.40"

    def test_another_class_is_counted_as_such(self, run):
        done = correct(run, Reclassify(3, "car"))
        assert (done.folder / "counts.csv").read_text().splitlines()[-1] == "left,car,1,0,1,4.90"
        assert {event["class"] for event in FinishedRun.read(done.folder).events} == {"car"}


class TestTheFolder:
    @pytest.fixture
    def run(self, tmp_path):
        return leave_run(tmp_path / "run", somewhere(frames=12))

    def test_is_a_run_that_says_from_what_it_was_corrected(self, run):
        done = correct(run, Merge(2, 1))
        again = FinishedRun.read(done.folder)
        said = again.record["corrected"]
        assert (said["run"], said["edits"], said["tracks_sha256"]) == ("..", 1, fingerprint(run.folder))
        assert set(again.record["files"]) == {path.name for path in done.folder.iterdir()}
        assert again.record["result"]["tracks"] == done.tracks == len(np.unique(again.annotations.ids))
        with pytest.raises(DataError, match="is a corrected run itself"):
            apply(done.folder)

    def test_is_not_explained_as_if_the_tracker_had_made_it(self, run):
        from tracker.config import Config

        record = yaml.safe_load((run.folder / "run.yaml").read_text())
        more = {"config": Config().to_dict(), "weights": {}, "device": "cpu", "offline": False}
        (run.folder / "run.yaml").write_text(yaml.safe_dump({**record, **more}))
        with pytest.raises(UsageError, match="was corrected by hand"):
            repetition(correct(run).folder)

    def test_keeps_what_is_not_ours_and_loses_what_is_not_made_any_more(self, run):
        folder = correct(run).folder
        (folder / "notes.txt").write_text("mine")
        record = yaml.safe_load((folder / "run.yaml").read_text())
        (folder / "run.yaml").write_text(yaml.safe_dump({**record, "files": [*record["files"], "video.mp4"]}))
        (folder / "video.mp4").write_bytes(b"of before")
        correct(run, Merge(2, 1))
        assert (folder / "notes.txt").read_text() == "mine" and not (folder / "video.mp4").exists()

    @pytest.mark.parametrize(
        ("what", "says"),
        [
            (lambda out: out.write_text("mine"), "is a file"),
            (lambda out: (out.mkdir(), (out / "tracks.csv").write_text("mine")), "does not say that a run wrote it"),
            (lambda out: out.symlink_to(out.parent.parent), "is a link"),
            (lambda out: leave_run(out, somewhere(frames=3)), "a run that was tracked, not corrected"),
        ],
        ids=["a file", "a file of the user's in it", "a link that leads out", "another run"],
    )
    def test_is_refused_where_something_else_stands(self, run, what, says):
        out = run.folder / "corrected"
        what(out)
        before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
        with pytest.raises(OutputError, match=says):
            apply(run.folder)
        assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()} == before

    def test_is_never_the_run_itself(self, run):
        with pytest.raises(OutputError, match="is the run itself"):
            apply(run.folder, run.folder)

    def test_stays_as_it_was_where_an_edit_is_refused(self, run):
        before = read(correct(run, Merge(2, 1)).folder)
        with pytest.raises(DataError, match=r"edit 2 of edits.json \(merge\): there is no track 2"):
            correct(run, Merge(2, 1), Merge(2, 1))
        assert read(run.folder / "corrected") == before and len(list(run.folder.glob(".corrected*"))) == 0

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_can_be_elsewhere_where_the_runs_cannot_be_written(self, run, tmp_path):
        run.folder.chmod(0o500)
        try:
            with pytest.raises(OutputError, match="--out"):
                apply(run.folder)
            done = apply(run.folder, tmp_path / "elsewhere")
        finally:
            run.folder.chmod(0o700)
        assert read(done.folder) == read(run.folder)
        assert FinishedRun.read(done.folder).record["corrected"]["run"] == "../run"


class TestRuns:
    def test_that_were_killed_have_what_they_wrote(self, tmp_path):
        run = leave_run(tmp_path / "run", somewhere(frames=12), json=True)
        record = yaml.safe_load((run.folder / "run.yaml").read_text())
        del record["result"]
        (run.folder / "run.yaml").write_text(yaml.safe_dump(record))
        lines = (run.folder / "summary.csv").read_text().splitlines(keepends=True)
        (run.folder / "summary.csv").write_text("".join(lines[:3]))  # as it was some seconds before
        with (run.folder / "tracks.txt").open("a") as file:  # the first file that is written of a frame
            file.write("13,1,1.00,1.00,9.00,9.00,0.5000,-1,-1,-1\n")
        done = apply(run.folder)
        rows = table(done.folder / "summary.csv")
        assert [(row["id"], row["last_frame"]) for row in rows] == [
            (str(track), str(run.annotations.frames[run.annotations.ids == track].max())) for track in range(1, 7)
        ]
        found, own = read(done.folder), read(run.folder)
        assert all(found[name] == own[name] for name in ("tracks.csv", "tracks.jsonl"))
        assert own["tracks.txt"].startswith(found["tracks.txt"])

    def test_with_left_out_frames_and_uneven_times(self, tmp_path):
        video = somewhere(frames=21)
        video = replace(
            video[video.frames % 2 == 1], times_s=np.cumsum(np.random.default_rng(0).uniform(0.02, 0.3, 21))
        )
        run = leave_run(tmp_path / "run", video, zones=ZONES, json=True, numbers=range(1, 22, 2), vid_stride=2)
        assert run.tracked.tolist() == list(range(1, 22, 2))
        assert read(apply(run.folder).folder) == read(run.folder)

    def test_of_which_a_table_is_missing_get_it_anew(self, tmp_path):
        run = leave_run(tmp_path / "run", somewhere(frames=12))
        (run.folder / "tracks.txt").unlink()
        (run.folder / "summary.csv").unlink()
        done = apply(run.folder)
        assert (done.folder / "tracks.txt").read_text().count("\n") == len(run.annotations)
        assert len(table(done.folder / "summary.csv")) == 6

    def test_whose_tables_are_not_of_one_run_are_refused(self, tmp_path):
        run = leave_run(tmp_path / "run", somewhere(frames=12))
        (run.folder / "tracks.txt").write_text("1,77,1.00,1.00,9.00,9.00,0.5000,-1,-1,-1\n")
        with pytest.raises(DataError, match=r"has not the objects of .* run `track` again"):
            apply(run.folder)
        assert not (run.folder / "corrected").exists()

    def test_in_which_nothing_was_tracked(self, tmp_path):
        run = leave_run(tmp_path / "run", annotated([], 5), zones=ZONES, json=True)
        assert read(apply(run.folder).folder) == read(run.folder)

    def test_an_object_can_be_added_where_nothing_was_tracked(self, tmp_path):
        run = leave_run(tmp_path / "run", annotated([], 5), json=True)
        done = correct(
            run, PlaceBox(1, 2, (10, 10, 30, 60), "fish"), PlaceBox(1, 4, (20, 10, 40, 60)), Interpolate(1, 2, 4)
        )
        assert (done.folder / "tracks.txt").read_text().splitlines() == [
            "2,1,10.00,10.00,20.00,50.00,1.0000,-1,-1,-1",
            "3,1,15.00,10.00,20.00,50.00,1.0000,-1,-1,-1",
            "4,1,20.00,10.00,20.00,50.00,1.0000,-1,-1,-1",
        ]
        lines = [json.loads(line) for line in (done.folder / "tracks.jsonl").read_text().splitlines()]
        assert [len(line["tracks"]) for line in lines] == [0, 1, 1, 1, 0]


class TestTheVideo:
    """Drawn on black pictures: what is not black was drawn."""

    @pytest.fixture
    def pictures(self, tmp_path):
        folder = tmp_path / "pictures"
        folder.mkdir()
        for number in range(1, 9):
            cv2.imwrite(str(folder / f"{number}.png"), np.zeros((240, 320, 3), np.uint8))
        return folder

    @pytest.fixture
    def run(self, tmp_path, pictures):
        video = annotated([*walking(1, range(1, 9), (50, 100), (2, 0)), *walking(2, range(1, 9), (250, 100), (0, 0))])
        return leave_run(tmp_path / "run", video, zones=ZONES, given=str(pictures))

    def drawn(self, folder):
        with av.open(str(folder / "video.mp4")) as video:
            return [frame.to_ndarray(format="gray") for frame in video.decode(video=0)]

    def test_shows_corrected_boxes(self, run):
        done = correct(run, Delete(2), PlaceBox(1, 8, (200, 200, 240, 230)))
        assert done.without_video == "" and "video.mp4" in FinishedRun.read(done.folder).record["files"]
        frames = self.drawn(done.folder)
        assert len(frames) == 8
        assert all(frame[60:100, 238:263].max() < 40 for frame in frames)  # of track 2, which is gone
        assert frames[0][60:100, 38:42].max() > 100  # of track 1 where it was tracked
        assert frames[7][200:230, 198:202].max() > 100 > frames[6][200:230, 198:202].max()
        assert [path.name for path in done.folder.iterdir() if path.is_dir()] == []

    def test_is_drawn_as_the_run_s_was(self, run):
        """Without labels and trails, with lines of another width; what else a record says of them is not believed."""
        record = yaml.safe_load((run.folder / "run.yaml").read_text())
        shown = []
        for leaves in ({}, {"labels": False, "trails": False, "line_width": 7}, {"labels": 0, "line_width": -(10**9)}):
            (run.folder / "run.yaml").write_text(yaml.safe_dump({**record, "leaves": leaves}))
            shown.append(self.drawn(correct(FinishedRun.read(run.folder)).folder))
        assert np.array_equal(shown[0], shown[2]) and not np.array_equal(shown[0], shown[1])

    def test_calls_an_object_by_its_name(self, run):
        plain = self.drawn(correct(run).folder)[0].astype(int)
        named = self.drawn(correct(run, Rename(2, "Anna")).folder)[0].astype(int)
        changed = np.argwhere(np.abs(named - plain) > 60)
        assert len(changed) and (changed.min(axis=0) >= [40, 230]).all() and (changed.max(axis=0) <= [64, 320]).all()

    def test_is_the_same_for_the_same_edits(self, run):
        one = (correct(run, Delete(2)).folder / "video.mp4").read_bytes()
        assert (correct(run, Delete(2)).folder / "video.mp4").read_bytes() == one

    def test_is_left_out_on_request_and_then_nothing_is_read(self, run, pictures):
        (pictures / "3.png").write_bytes(b"damaged")
        done = correct(run, video=False)
        assert done.without_video == "" and not (done.folder / "video.mp4").exists()

    def test_stays_as_it_was_where_drawing_is_interrupted(self, run):
        before = {path.name: path.read_bytes() for path in correct(run, Merge(2, 1)).folder.iterdir()}
        EditList(fingerprint(run.folder), (Delete(1),)).save(run.folder)

        def interrupt(done, _):
            if done == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            apply(run.folder, progress=interrupt)
        assert {path.name: path.read_bytes() for path in (run.folder / "corrected").iterdir()} == before
        assert [path.name for path in run.folder.iterdir() if path.is_dir()] == ["corrected"]

    def test_of_left_out_frames_has_the_others(self, tmp_path, pictures):
        video = annotated(walking(1, [1, 4, 7], (50, 100), (2, 0)), 8)
        run = leave_run(tmp_path / "run", video, numbers=[1, 4, 7], given=str(pictures), vid_stride=3)
        assert len(self.drawn(correct(run, Delete(1, 4, 4)).folder)) == 3

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda folder: [path.unlink() for path in folder.iterdir()] and folder.rmdir(), "is not there any more"),
            (lambda folder: (folder / "8.png").unlink(), "had 8 frames and has 7 now"),
            (
                lambda folder: cv2.imwrite(str(folder / "1.png"), np.zeros((120, 160, 3), np.uint8)),
                "320 x 240 .* 160 x 120",
            ),
            (
                lambda folder: (folder / "3.png").write_bytes(b"damaged"),
                "3.png: it is damaged",
            ),
        ],
        ids=["gone", "shorter", "of another size", "damaged"],
    )
    def test_is_not_made_of_another_source_and_the_tables_are(self, run, pictures, change, says):
        change(pictures)
        done = correct(run, Merge(2, 1))
        assert re.search(says, done.without_video), done.without_video
        assert {path.name for path in done.folder.iterdir()} == {
            "tracks.txt",
            "tracks.csv",
            "summary.csv",
            "events.jsonl",
            "counts.csv",
            "run.yaml",
        }

    def test_of_a_list_of_images_is_made_too(self, tmp_path, pictures):
        images = [f"pictures/{number}.png" for number in (1, 2, 3)]
        video = annotated(walking(1, [1, 2, 3], (50, 100), (2, 0)))
        run = leave_run(tmp_path / "run", video, given=images)
        record = yaml.safe_load((run.folder / "run.yaml").read_text())
        (run.folder / "run.yaml").write_text(yaml.safe_dump({**record, "folder": str(tmp_path)}))
        assert len(self.drawn(correct(run).folder)) == 3

    @pytest.mark.parametrize(
        "lie", [{"given": 7}, {"given": {"a": 1}}, {"vid_stride": 0}, {"vid_stride": "2"}, {"fps": "x"}, {"fps": -1}]
    )
    def test_is_not_made_where_the_record_lies_of_the_source(self, run, lie):
        record = yaml.safe_load((run.folder / "run.yaml").read_text())
        (run.folder / "run.yaml").write_text(yaml.safe_dump({**record, "source": {**record["source"], **lie}}))
        done = apply(run.folder) if "vid_stride" not in lie else None
        if done is not None:
            assert done.without_video
        else:
            with pytest.raises(DataError):
                apply(run.folder)

    def test_is_not_made_where_the_run_hid_objects(self, run):
        record = yaml.safe_load((run.folder / "run.yaml").read_text())
        (run.folder / "run.yaml").write_text(yaml.safe_dump({**record, "blur": ["person"]}))
        assert "would be seen" in correct(run).without_video


def test_the_command_says_what_it_did_and_why_there_is_no_video(tmp_path, capsys):
    run = leave_run(tmp_path / "run", somewhere(frames=12))
    EditList(fingerprint(run.folder), (Merge(2, 1),)).save(run.folder)
    code, said = ended(["apply", str(run.folder)], capsys)
    assert (code, said.count("\n")) == (0, 1) and "clip.mp4 is not there any more" in said
    (run.folder / "edits.json").write_text('{"version": 1}')
    code, said = ended(["apply", str(run.folder)], capsys)
    assert code == 1 and said.startswith("error: edits.json has not just") and "Traceback" not in said


def test_without_edits_the_command_says_that_nothing_was_corrected(tmp_path, capsys):
    run = leave_run(tmp_path / "run", somewhere(frames=12))
    code, said = ended(["apply", str(run.folder), "--no-video"], capsys)
    make = f"make some with: track view {run.folder}"
    assert (code, said) == (0, f"warning: {run.folder} has no edits, nothing was corrected; {make}\n")
