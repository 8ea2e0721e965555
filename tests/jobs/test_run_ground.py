"""`track --camera` and `track calibrate`: metres in the tables, and a camera that has moved."""

import csv

import pytest

from helpers.clips import crossing, pan
from tracker import GroundPlane
from tracker.cli import main
from tracker.config import Config
from tracker.jobs.run import Output, run
from tracker.tracker import Tracker

PIXELS = [[0, 0], [320, 0], [0, 240], [320, 240], [160, 120]]
METRES = [[x / 40, y / 40] for x, y in PIXELS]  # seen from above
GROUND = GroundPlane.from_points(PIXELS, METRES)


@pytest.fixture(scope="module")
def tracker():
    return Tracker(Config().override({"detector": {"imgsz": 320, "classes": ["person"]}, "device": "cpu"}))


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_tables_have_metres(tracker, tmp_path):
    clip = crossing(tmp_path / "crossing.mp4")  # two people go 9 pixels a frame, 12 frames/s: 2.7 m/s; others stand
    (result,) = run([clip], tracker, Output(tmp_path, video=False), ground=GROUND)
    rows = [row for row in table(result.folder / "tracks.csv") if row["speed_m_s"]]
    for row in rows:
        assert abs(float(row["x_m"]) - (float(row["left"]) + float(row["right"])) / 80) < 0.3
    late = [float(row["speed_m_s"]) for row in rows if float(row["time_s"]) > 2.5]
    assert all(speed < 0.4 or abs(speed - 2.7) < 0.4 for speed in late)
    assert max(late) > 2.3
    means = [float(row["mean_speed_m_s"]) for row in table(result.folder / "summary.csv") if row["path_m"]]
    assert max(means) == pytest.approx(2.7, abs=0.3)
    assert "camera:" in (result.folder / "run.yaml").read_text()


def test_they_have_them_offline_too(tracker, tmp_path):
    (result,) = run([pan(tmp_path / "pan.mp4", 3)], tracker, Output(tmp_path, video=False, offline=True), ground=GROUND)
    assert any(row["x_m"] for row in table(result.folder / "tracks.csv"))


def test_a_camera_that_has_moved_ends_the_run_with_a_sentence_and_keeps_what_was_tracked(tracker, tmp_path):
    (result,) = run([pan(tmp_path / "pan.mp4", 12)], tracker, Output(tmp_path, video=False), ground=GROUND)
    assert "has moved" in str(result.error) and "leave out --camera" in str(result.error)
    assert 3 <= result.frames < 12
    assert {int(row["frame"]) for row in table(result.folder / "tracks.csv")} == set(range(1, result.frames + 1))


class TestCalibrate:
    @pytest.fixture
    def clip(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        rows = "".join(f"{x},{y},{right},{up}\n" for (x, y), (right, up) in zip(PIXELS, METRES, strict=True))
        (tmp_path / "points.csv").write_text("x_px,y_px,x_m,y_m\n" + rows)
        return pan(tmp_path / "pan.mp4", 2)

    def test_leaves_a_file_that_loads_and_prints_the_error_of_each_point(self, clip, capsys):
        with pytest.raises(SystemExit) as ended:
            main(["calibrate", str(clip), "--points", "points.csv"])
        assert ended.value.code == 0
        ground = GroundPlane.load("camera.yaml")
        assert ground.frame_size == (320, 240)
        assert ground.to_metres(PIXELS) == pytest.approx(GROUND.to_metres(PIXELS))
        assert capsys.readouterr().out.count("0.000") == len(PIXELS)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            pytest.param(None, "cannot be read", id="no file"),
            pytest.param("1,2,3,4\n", "begin with x_px,y_px,x_m,y_m", id="no header"),
            pytest.param("x_px,y_px,x_m,y_m\n1,2,3\n", "not four numbers", id="three numbers"),
            pytest.param("x_px,y_px,x_m,y_m\n1,2,3,4\n", "at least 4", id="one point"),
            pytest.param("x_px,y_px,x_m,y_m\n1,900,3,4\n", "outside of the frame", id="another picture"),
        ],
    )
    def test_says_in_one_sentence_what_is_wrong(self, clip, capsys, text, says, tmp_path):
        path = tmp_path / "wrong.csv"
        if text is not None:
            path.write_text(text)
        with pytest.raises(SystemExit) as ended:
            main(["calibrate", str(clip), "--points", str(path)])
        error = capsys.readouterr().err
        assert ended.value.code and error.startswith("error:") and error.count("\n") == 1
        assert says in error and not (tmp_path / "camera.yaml").exists()

    def test_serves_a_page_for_the_points_where_there_is_no_table(self, clip, capsys, tmp_path, monkeypatch):
        monkeypatch.setattr("tracker.viewer.serving.wait", lambda: None)
        with pytest.raises(SystemExit) as ended:
            main(["calibrate", str(clip), "--out", str(tmp_path / "camera.yaml")])
        assert not ended.value.code and "calibration at http://127.0.0.1:" in capsys.readouterr().err
        assert not (tmp_path / "camera.yaml").exists()

    def test_leaves_alone_a_file_that_it_did_not_make(self, clip, capsys, tmp_path):
        (tmp_path / "camera.yaml").write_text("mine")
        with pytest.raises(SystemExit):
            main(["calibrate", str(clip), "--points", "points.csv"])
        assert (tmp_path / "camera.yaml").read_text() == "mine"
