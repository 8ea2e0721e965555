"""Writers: what is on disk is right, and valid at any moment."""

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from tracker.errors import OutputError
from tracker.output.summary_writer import SummaryWriter
from tracker.output.video_writer import VideoWriter
from tracker.output.writers import CsvWriter, JsonLinesWriter, MotWriter
from tracker.structures import Detections, Status, Tracks
from tracker.system.files import replace_text, writing
from tracker.video.source import Frame

TRACK_KEYS = {"id", "class", "name", "score", "box", "status"}
NAMES = {0: "person", 1: 'a "quoted", name'}


def tracks(ids, boxes, status=None, classes=None, time_s=0.0) -> Tracks:
    n = len(ids)
    number = np.zeros(n, np.int64) if classes is None else np.asarray(classes, np.int64)
    state = np.full(n, Status.CONFIRMED) if status is None else np.asarray(status)
    return Tracks(
        np.asarray(ids, np.int64),
        np.asarray(boxes, np.float32).reshape(n, 4),
        np.full(n, 0.875, np.float32),
        number,
        number,
        state.astype(np.int64),
        np.arange(n),
        time_s,
        0.1,
        NAMES,
    )


def frame(number=1, time_s=0.0, size=(64, 48), value=0) -> Frame:
    return Frame(np.full((size[1], size[0], 3), value, np.uint8), number, time_s)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def frames_of(path: Path) -> list[tuple[float, np.ndarray]]:
    with av.open(str(path)) as container:
        return [(picture.time, picture.to_ndarray(format="bgr24")) for picture in container.decode(video=0)]


def test_mot_lines_count_the_source_frames_and_leave_tentative_tracks_out(tmp_path):
    writer = MotWriter(tmp_path / "tracks.txt")
    writer.write(frame(1), tracks([], []))
    writer.write(frame(3, 0.2), tracks([4, 9], [[1, 2, 4, 8], [0, 0, 5, 5]], [Status.PREDICTED, Status.TENTATIVE]))
    writer.close()
    assert (tmp_path / "tracks.txt").read_text() == "3,4,1.00,2.00,3.00,6.00,0.8750,-1,-1,-1\n"


def test_csv_has_the_documented_columns_and_quotes_names(tmp_path):
    writer = CsvWriter(tmp_path / "tracks.csv")
    writer.write(
        frame(7, 0.25), tracks([4, 5], [[1, 2, 4, 8], [0, 0, 5, 5]], [Status.PREDICTED, Status.CONFIRMED], [1, 7])
    )
    writer.close()
    first, second = rows(tmp_path / "tracks.csv")
    assert tuple(first) == CsvWriter.COLUMNS
    page = (Path(__file__).parents[2] / "docs" / "reference" / "tables.md").read_text(encoding="utf-8")
    assert all(f"| `{column}` |" in page for column in (*CsvWriter.COLUMNS, *CsvWriter.GROUND, *SummaryWriter.COLUMNS))
    assert (first["frame"], first["time_s"], first["id"], first["name"]) == ("7", "0.2500", "4", NAMES[1])
    assert [first[edge] for edge in ("left", "top", "right", "bottom")] == ["1.00", "2.00", "4.00", "8.00"]
    assert (first["status"], second["status"]) == ("predicted", "confirmed")
    assert (second["class"], second["name"]) == ("7", "7"), "a class without a name is called by its number"


def test_json_lines_hold_every_frame_also_empty_ones(tmp_path):
    writer = JsonLinesWriter(tmp_path / "tracks.jsonl")
    writer.write(frame(1), tracks([], []))
    writer.write(frame(2, 0.1), tracks([3], [[1, 2, 4, 8]]))
    writer.close()
    empty, full = (json.loads(line) for line in (tmp_path / "tracks.jsonl").read_text().splitlines())
    assert empty == {"frame": 1, "time_s": 0.0, "tracks": []}
    assert full["tracks"] == [
        {"id": 3, "class": 0, "name": "person", "score": 0.875, "box": [1, 2, 4, 8], "status": "confirmed"}
    ]


def test_json_lines_hold_what_detections_carried_and_null_where_there_was_none(tmp_path):
    """As other programs read it: strict JSON, masks as COCO's tools decode them."""
    mask = np.zeros((2, 48, 64), bool)
    mask[0, 10:20, 5:9] = True
    points = np.array([[[1.234, 2, 0.5], [np.nan, np.nan, 0]], [[3, 4, 1], [5, 6, 1]]], np.float32)
    found = Detections(
        [[1, 2, 4, 8], [0, 0, 5, 5]],
        masks=mask,
        keypoints=points,
        corners=np.arange(16).reshape(2, 4, 2),
        data={
            "speed": [1.5, np.nan],
            "plate": ["A", "B"],
            "bins": [[1, 2], [3, 4]],
            "seen": np.array(["2026-11-29"] * 2, "M8[D]"),
        },
    )
    now = replace(
        tracks([3, 4, 5], [[1, 2, 4, 8], [0, 0, 5, 5], [9, 9, 10, 10]], [Status.CONFIRMED] * 2 + [Status.PREDICTED]),
        detection_index=np.array([1, 0, -1]),
        detected=found.columns,
    )
    writer = JsonLinesWriter(tmp_path / "tracks.jsonl")
    writer.write(frame(1), now)
    writer.close()
    text = (tmp_path / "tracks.jsonl").read_text()
    strict = json.JSONDecoder(parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    second, first, gone = strict.decode(text)["tracks"]
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "results.md").read_text(encoding="utf-8")
    section = page.partition("## JSON Lines")[2].partition("\n## ")[0]
    assert all(f"`{key}`" in section for key in gone), "the page says what each key holds"
    assert all(f"`{key}`" in JsonLinesWriter.__doc__ for key in gone if key not in TRACK_KEYS)
    assert [gone[key] for key in ("mask", "keypoints", "corners", "data")] == [None] * 4
    assert first["keypoints"] == [[1.23, 2.0, 0.5], [None, None, 0.0]]
    assert second["keypoints"] == [[3.0, 4.0, 1.0], [5.0, 6.0, 1.0]]
    assert first["corners"] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert first["data"] == {"speed": 1.5, "plate": "A", "bins": [1, 2], "seen": "2026-11-29"}
    assert second["data"] == {"speed": None, "plate": "B", "bins": [3, 4], "seen": "2026-11-29"}
    coco = pytest.importorskip("pycocotools.mask")
    expected = [coco.encode(np.asfortranarray(part.astype(np.uint8))) for part in mask]
    for row, theirs in ((first, expected[0]), (second, expected[1])):
        assert row["mask"] == {"size": [48, 64], "counts": theirs["counts"].decode()}


def test_json_lines_have_the_same_keys_in_every_row_once_something_was_carried(tmp_path):
    """As a table is made of them: frames that were not looked at, and those in which nothing was detected."""
    here = replace(tracks([3], [[1, 2, 4, 8]]), detection_index=np.array([0]))
    masks, data = np.ones((1, 48, 64), bool), {"speed": [1.5]}
    carried = (
        Detections([[1, 2, 4, 8]], data=data),
        Detections([[1, 2, 4, 8]]),
        Detections([[1, 2, 4, 8]], masks=masks),
    )
    writer = JsonLinesWriter(tmp_path / "tracks.jsonl")
    for number, found in enumerate(carried):
        writer.write(frame(number), replace(here, detected=found.columns))
    writer.write(frame(9), replace(tracks([3], [[1, 2, 4, 8]], [Status.PREDICTED]), looked=False))
    writer.close()
    lines = map(json.loads, (tmp_path / "tracks.jsonl").read_text().splitlines())
    first, bare, masked, missed = (line["tracks"][0] for line in lines)
    assert first["data"] == {"speed": 1.5} and bare["data"] is masked["data"] is missed["data"] is None
    assert first.keys() == bare.keys() and masked.keys() == missed.keys() == {*first, "mask"}
    assert masked["mask"] and missed["mask"] is None


def test_json_lines_are_strict_json_whatever_objects_a_column_holds(tmp_path):
    """A program that reads them must not meet a NaN, and no key may end the run."""
    objects = np.empty(2, object)
    objects[:] = [{np.int64(3): np.float32("nan"), "way": (1.5, float("inf"))}, np.array([np.nan, 2])]
    found = Detections([[1, 2, 4, 8], [0, 0, 5, 5]], data={"more": objects})
    now = replace(
        tracks([3, 4], [[1, 2, 4, 8], [0, 0, 5, 5]], [Status.CONFIRMED] * 2),
        detection_index=np.array([0, 1]),
        detected=found.columns,
    )
    writer = JsonLinesWriter(tmp_path / "tracks.jsonl")
    writer.write(frame(1), now)
    writer.close()
    strict = json.JSONDecoder(parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    first, second = strict.decode((tmp_path / "tracks.jsonl").read_text())["tracks"]
    assert first["data"] == {"more": {"3": None, "way": [1.5, None]}} and second["data"] == {"more": [None, 2.0]}


class TestSummary:
    def test_a_walk_of_five_seconds_through_a_gap(self, tmp_path):
        writer = SummaryWriter(tmp_path / "summary.csv")
        for number in range(1, 52):
            time_s = (number - 1) / 10
            if 20 <= number < 30:  # hidden
                writer.write(frame(number, time_s), tracks([], []))
            else:
                left = 30 * time_s
                writer.write(frame(number, time_s), tracks([7], [[left, 0, left + 10, 20]]))
        writer.close()
        (row,) = rows(tmp_path / "summary.csv")
        assert tuple(row) == SummaryWriter.COLUMNS
        assert (row["id"], row["name"], row["frames"], row["first_frame"], row["last_frame"]) == (
            "7",
            "person",
            "41",
            "1",
            "51",
        )
        assert (float(row["first_s"]), float(row["last_s"]), float(row["mean_score"])) == (0, 5, 0.875)
        assert float(row["path_px"]) == pytest.approx(150, abs=0.2)
        assert float(row["mean_speed_px_s"]) == pytest.approx(30, abs=0.1)

    def test_jitter_of_a_standing_object_is_little_movement(self, tmp_path):
        writer = SummaryWriter(tmp_path / "summary.csv")
        random = np.random.default_rng(0)
        for number in range(1, 302):
            x, y = random.normal(0, 1, 2)
            writer.write(frame(number, (number - 1) / 30), tracks([1], [[x, y, x + 10, y + 20]]))
        writer.close()
        (row,) = rows(tmp_path / "summary.csv")
        assert float(row["mean_speed_px_s"]) < 6, "counted frame by frame it would be 30 times 1.8"

    def test_many_tracks_are_sorted_by_id_and_counted(self, tmp_path):
        writer = SummaryWriter(tmp_path / "summary.csv")
        for start in (200, 100, 0):
            ids = np.arange(start + 1, start + 101)
            writer.write(frame(), tracks(ids, np.tile([0, 0, 1, 1], (100, 1))))
        writer.close()
        assert len(writer) == 300
        assert [int(row["id"]) for row in rows(tmp_path / "summary.csv")] == list(range(1, 301))

    def test_the_file_is_valid_before_the_first_frame(self, tmp_path):
        SummaryWriter(tmp_path / "summary.csv")
        assert rows(tmp_path / "summary.csv") == []

    def test_only_what_changed_is_put_into_words_again(self, tmp_path, monkeypatch):
        """Of 20,000 tracks a refresh costs what the block of those that moved costs, and the file holds them all."""
        writer = SummaryWriter(tmp_path / "summary.csv")
        many = np.arange(1, 20_001)
        writer.write(frame(1, 0.0), tracks(many, np.tile([0, 0, 1, 1], (len(many), 1))))
        writer._save()
        formatted = []
        lines = SummaryWriter._lines

        def counted(self, rows):
            formatted.append(len(rows))
            return lines(self, rows)

        monkeypatch.setattr(SummaryWriter, "_lines", counted)
        writer.write(frame(2, 5.0), tracks([1, 20_000], [[0, 0, 1, 1], [9, 0, 10, 1]]))
        writer.close()
        assert sum(formatted) <= 2 * SummaryWriter._BLOCK
        table = rows(tmp_path / "summary.csv")
        assert [int(row["id"]) for row in table] == many.tolist()
        assert [row["frames"] for row in table] == ["2", *["1"] * 19_998, "2"]
        assert table[-1]["path_px"] == "9.0"

    def test_renewing_it_never_takes_more_than_a_hundredth_of_the_time(self, tmp_path, monkeypatch):
        clock = [0.0]
        monkeypatch.setattr("tracker.output.summary_writer.time.monotonic", lambda: clock[0])

        def slow(path, content):  # a disk that takes three seconds
            clock[0] += 3.0
            times.append(clock[0])

        times = []
        writer = SummaryWriter(tmp_path / "summary.csv")
        monkeypatch.setattr("tracker.output.summary_writer.replace_file", slow)
        writer._save()
        for step in range(1, 1500):
            clock[0] += 1.0
            writer.write(frame(step, float(step)), tracks([1], [[0, 0, 1, 1]]))
        assert len(times) >= 4
        assert np.diff(times).min() >= 300


def test_a_killed_process_leaves_whole_lines_and_a_playable_video(tmp_path):
    script = """
        import os, signal, sys
        from pathlib import Path
        import numpy as np
        from test_writers import frame, tracks
        from tracker.output.video_writer import VideoWriter
        from tracker.output.summary_writer import SummaryWriter
        from tracker.output.writers import CsvWriter, JsonLinesWriter, MotWriter
        out = Path(sys.argv[1])
        writers = [MotWriter(out / "t.txt"), CsvWriter(out / "t.csv"), JsonLinesWriter(out / "t.jsonl"),
                   SummaryWriter(out / "s.csv"), VideoWriter(out / "v.mp4", 25)]
        for number in range(1, 101):
            for writer in writers:
                writer.write(frame(number, number / 25), tracks([1, 2], [[1, 2, 4, 8], [1, 2, 4, 8]]))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here.parents[1])])}
    assert subprocess.run(command, check=False, env=environment).returncode == -signal.SIGKILL
    lines = (tmp_path / "t.txt").read_text().splitlines(keepends=True)
    assert len(lines) == 200
    assert all(line.endswith("-1,-1,-1\n") for line in lines)
    assert [row["frame"] for row in rows(tmp_path / "t.csv")][-1] == "100"
    assert json.loads((tmp_path / "t.jsonl").read_text().splitlines()[-1])["frame"] == 100
    assert rows(tmp_path / "s.csv") == []
    assert len(frames_of(tmp_path / "v.mp4")) >= 75, "at most the last second is missing"


class TestFullDisk:
    @pytest.fixture
    def disk(self, tmp_path):
        """A disk of 256 KiB."""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)], check=False)
        if done.returncode:
            pytest.skip("mounting a small disk needs root")
        yield tmp_path
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)

    @pytest.mark.parametrize("writer_class", [MotWriter, CsvWriter, JsonLinesWriter])
    def test_text_is_kept_up_to_the_last_whole_line(self, disk, writer_class):
        path = disk / "t"
        writer = writer_class(path)
        with pytest.raises(OutputError, match=r"no space left to write .*; make room"):
            for number in range(1, 3000):
                writer.write(frame(number), tracks([1, 2, 3], np.tile([1, 2, 4, 8], (3, 1))))
        writer.close()
        text = path.read_text()
        assert len(text) > 200_000
        assert text.endswith("\n")

    def test_video_is_kept_up_to_the_last_whole_fragment(self, disk):
        writer = VideoWriter(disk / "v.mp4", fps=25)
        random = np.random.default_rng(0)
        with pytest.raises(OutputError, match="no space left"):
            for number in range(200):
                noise = random.integers(0, 256, (96, 128, 3), dtype=np.uint8)
                writer.write(Frame(noise, number, number / 25), tracks([], []))
        with pytest.raises(OutputError):
            writer.close()
        assert len(frames_of(disk / "v.mp4")) >= 10

    def test_a_replaced_text_stays_as_it_was(self, disk):
        replace_text(disk / "run.yaml", "old: 1\n")
        with pytest.raises(OutputError):
            replace_text(disk / "run.yaml", "x" * 1_000_000)
        assert (disk / "run.yaml").read_text() == "old: 1\n"
        assert [path.name for path in disk.iterdir()] == ["run.yaml"]


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EACCES, "cannot write out/t: permission denied; choose another folder with --project or --out"),
        (errno.EROFS, "cannot write out/t: read-only file system; choose another folder with --project or --out"),
        (errno.ENOSPC, "no space left to write out/t; make room and run again (what was written before is kept)"),
        (errno.EEXIST, "cannot write out/t: a file stands where a folder is needed; choose another"),
    ],
)
def test_the_systems_refusals_become_one_sentence(number, sentence):
    with pytest.raises(OutputError) as caught, writing(Path("out/t")):
        raise OSError(number, os.strerror(number))
    assert str(caught.value) == sentence


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        MotWriter(tmp_path / "file" / "tracks.txt")
