"""A camera whose ground is known: metres in its tables and in what is published, for as long as it stands."""

import csv
import json
import math

import jsonschema
import numpy as np
import pytest

from tracker import Config, Detections, GroundMotion, GroundPlane, Site
from tracker.errors import ConfigError
from tracker.output.writers import CsvWriter
from tracker.site.config import SiteCamera, SiteConfig
from tracker.site.looking import SharedDetector
from tracker.site.messages.message import END, SCHEMA, of_visit

CONFIG = Config().override({"device": "cpu", "appearance": {"enabled": False}, "detector": {"skip_repeats": False}})
BEGIN_S = 1_764_442_800.0
RATE = 10
WIDTH, HEIGHT = 640, 480
PLANE = GroundPlane.from_points(  # 100 pixels are a metre
    [[0, 0], [600, 0], [0, 480], [600, 480]], [[0, 0], [6, 0], [0, 4.8], [6, 4.8]], frame_size=(WIDTH, HEIGHT)
)
VALID = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()), format_checker=jsonschema.FormatChecker())


@pytest.fixture(autouse=True)
def walker(monkeypatch):
    """Somebody goes to the right at 1 m/s; where stands in the first pixel of the picture."""

    def look(self, image):
        left = 100 + int(image[0, 0, 0]) % 40 * 100 / RATE
        return Detections([[left, 200, left + 40, 320]], [0.9], [0], names={0: "person"})

    monkeypatch.setattr(SharedDetector, "__call__", look)


def frames(first, last, shift=0, size=(WIDTH, HEIGHT)):
    """Frames of a textured scene; from the tenth on the camera turns by so many pixels in each of ten frames."""
    scene = np.random.default_rng(0).integers(0, 255, (HEIGHT // 8, WIDTH // 4, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    for n in range(first, last):
        moved = shift * min(max(n - 10, 0), 10)
        image = np.ascontiguousarray(scene[: size[1], moved : moved + size[0]])
        image[0, 0] = n
        yield image, BEGIN_S + n / RATE


def site(source, folder, plane=PLANE):
    camera = ""
    if plane is not None:
        plane.save(folder / "camera.yaml")
        camera = str(folder / "camera.yaml")
    own = SiteCamera(source=source, camera=camera)
    return Site(SiteConfig(cameras={"door": own}, tracker=CONFIG, project=folder / "out"))


def rows(folder):
    (table,) = folder.glob("out/door/*/tracks.csv")
    return list(csv.DictReader(table.read_text().splitlines()))


def test_the_table_has_what_track_with_a_camera_has_and_messages_say_it(tmp_path):
    running = site(frames(0, 40), tmp_path)
    listening = running.subscribe(limit=1000)
    running.run()
    moments = list(listening)
    found = rows(tmp_path)
    assert list(found[0]) == [*CsvWriter.COLUMNS, *CsvWriter.GROUND]
    motion = GroundMotion(PLANE)
    for row, settled in zip(found, [one for moment in moments for one in moment.settled], strict=True):
        states = motion.update(settled.tracks)
        said = [*states.position_m[0], states.speed_m_s[0], states.speed_std_m_s[0]]
        assert [row[column] for column in CsvWriter.GROUND] == ["" if math.isnan(v) else f"{v:.3f}" for v in said]
    assert float(found[-1]["speed_m_s"]) == pytest.approx(1.0, abs=0.05)
    visit = moments[-1].present[1]
    assert visit.speed_m_s == pytest.approx(1.0, abs=0.05)
    body = json.loads(of_visit(END, "door", visit).body)
    VALID.validate(body)
    assert body["track"]["position_m"] == pytest.approx([5.1, 3.2], abs=0.1)
    health = running.cameras["door"].status()
    assert health.problem == ""


def test_a_camera_that_has_moved_is_told_and_tracked_on_without_metres_also_after_a_restart(tmp_path, caplog):
    running = site(frames(0, 40, shift=8), tmp_path)
    running.run()
    status = running.cameras["door"].status()
    assert status.frames == 40
    assert "has moved since its camera.yaml was made" in status.problem and "calibrate it again" in status.problem
    assert sum("has moved" in record.getMessage() for record in caplog.records) == 1
    found = rows(tmp_path)
    assert found[5]["x_m"] and not found[-1]["x_m"] and len(found) == 40
    again = site(frames(40, 50, shift=8), tmp_path)
    again.run()
    assert "has moved" in again.cameras["door"].status().problem
    assert not rows(tmp_path)[-1]["x_m"]
    anew = GroundPlane.from_points(PLANE.pixels + 1, PLANE.metres, frame_size=(WIDTH, HEIGHT))
    calibrated = site(frames(50, 60, shift=8), tmp_path, anew)
    calibrated.run()
    assert calibrated.cameras["door"].status().problem == ""
    assert rows(tmp_path)[-1]["x_m"]


def test_a_table_that_was_begun_without_metres_keeps_its_columns_until_the_hour_is_over(tmp_path):
    site(frames(0, 10), tmp_path, None).run()
    site(frames(10, 20), tmp_path).run()
    found = rows(tmp_path)
    assert len(found) == 20 and all(None not in row and None not in row.values() for row in found)
    assert list(found[0]) == [*CsvWriter.COLUMNS]


def test_and_one_that_was_begun_with_them_leaves_them_empty(tmp_path):
    site(frames(0, 10), tmp_path).run()
    site(frames(10, 20), tmp_path, None).run()
    found = rows(tmp_path)
    assert len(found) == 20 and all(None not in row and None not in row.values() for row in found)
    assert found[8]["x_m"] and not found[-1]["x_m"]


def test_a_picture_of_another_shape_is_told_and_tracked_without_metres(tmp_path):
    running = site(frames(0, 15, size=(480, 480)), tmp_path)
    running.run()
    assert "metres are left out: the camera was calibrated on frames of 640 x 480" in (
        running.cameras["door"].status().problem
    )
    assert len(rows(tmp_path)) == 15


def test_a_camera_yaml_that_says_nothing_is_an_error_before_anything_runs(tmp_path):
    (tmp_path / "door.yaml").write_text("points: []\n")
    (tmp_path / "site.yaml").write_text("cameras: {door: {source: 'rtsp://h/x', camera: door.yaml}}\n")
    with pytest.raises(ConfigError, match=r"door\.yaml"):
        SiteConfig.load(tmp_path / "site.yaml")
