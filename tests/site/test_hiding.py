"""`blur` of a camera: nobody is to be known in any picture that leaves a site."""

import threading

import cv2
import httpx
import numpy as np
import pytest

from helpers.clips import pan
from tracker import Config, Detections, Site, open_source
from tracker.cli import main
from tracker.errors import UsageError
from tracker.site.config import HttpConfig, SiteCamera, SiteConfig
from tracker.site.looking import SharedDetector

CONFIG = Config().override({"detector": {"imgsz": 320}, "device": "cpu", "appearance": {"enabled": False}})
BEGIN_S = 1_764_442_800.0
READABLE = 0.4  # of a picture's detail: where blocks end there is a little, by chance
BOX = (100, 60, 140, 160)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """People in a street."""
    with open_source(pan(tmp_path_factory.mktemp("clip") / "pan.mp4", 12, repeat_every=5)) as source:
        return [(frame.image, BEGIN_S + frame.time_s) for frame in source]


@pytest.fixture(scope="module")
def people(frames):
    """Boxes of those whom the detector is sure of, frame by frame."""
    from tracker import Tracker

    detector = Tracker(CONFIG).detector
    found = [seen for image, _ in frames for seen in detector([image])]
    return [seen[(seen.classes == 0) & (seen.scores > 0.4)].xyxy.round().astype(int).clip(0) for seen in found]


def fine(picture):
    return picture.astype(np.float32) - cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 2)


def detail_left(before, after, box):
    """How much of one picture's detail another has in a box: 1 in a copy."""
    left, top, right, bottom = box
    before, after = (fine(picture[top:bottom, left:right]) for picture in (before, after))
    return float((before * after).sum() / (before**2).sum())


def most_left(pictures, originals, boxes):
    return max(
        detail_left(original, picture, box)
        for original, picture, here in zip(originals, pictures, boxes, strict=True)
        for box in here
    )


def site(folder, source, config=CONFIG, **camera):
    cameras = {"door": SiteCamera(source=source, **{"blur": ("person",), **camera})}
    return Site(SiteConfig(cameras=cameras, project=folder, tracker=config, http=HttpConfig(bind="127.0.0.1:0")))


def recorded(folder):
    (path,) = folder.glob("door/*/video-*.mp4")
    with open_source(path) as video:
        return [frame.image for frame in video]


def test_nobody_is_readable_in_the_recorded_video_and_the_source_keeps_its_pictures(frames, people, tmp_path):
    before = [image.copy() for image, _ in frames]
    site(tmp_path, frames, record=True).run()
    left = recorded(tmp_path)
    assert len(left) == len(frames) and most_left(left, before, people) < READABLE
    assert all((image == kept).all() for (image, _), kept in zip(frames, before, strict=True))
    clear = site(tmp_path / "clear", frames, record=True, blur=())
    clear.run()
    assert most_left(recorded(tmp_path / "clear"), before, people) > 0.6, "so much is left of what is not hidden"


@pytest.mark.parametrize("camera", [{}, {"classes": ("bus",), "detect_every": "3"}, {"ignored": True}])
def test_nobody_is_readable_in_the_live_pictures(frames, people, tmp_path, camera):
    """Whoever is not tracked there, for his class or place, is hidden too."""
    if camera.pop("ignored", False):
        (tmp_path / "zones.yaml").write_text("{units: share, ignore: [{points: [[0, 0], [1, 0], [1, 1], [0, 1]]}]}")
        camera["zones"] = str(tmp_path / "zones.yaml")
    ended = threading.Event()
    image, boxes = frames[0][0], people[0]

    def live():
        """One picture for as long as anybody looks, so that each that leaves can be compared with it."""
        count = 0
        while not ended.wait(0.04):
            yield image, BEGIN_S + count / 12
            count += 1

    running = site(tmp_path, live(), **camera)
    running.start()
    url = f"http://{running._services[0].shown}/cameras/door"
    pictures = []
    try:
        body = b""
        with httpx.stream("GET", f"{url}/stream.mjpeg", timeout=60) as answer:
            for part in answer.iter_bytes():
                body += part
                if body.count(b"--frame") > 8:
                    break
        pictures = [part.partition(b"\r\n\r\n")[2] for part in body.split(b"--frame\r\n")[1:8]]
        pictures.append(httpx.get(f"{url}/snapshot.jpg", timeout=60).content)
    finally:
        ended.set()
        running.stop()
    shown = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in pictures]
    inner = [boxes + [4, 14, -4, -4]] * len(shown)  # within what is drawn around them
    assert len(boxes) >= 2 and most_left(shown, [image] * len(shown), inner) < READABLE
    assert most_left([running.cameras["door"].newest.image], [image], [boxes]) < READABLE


@pytest.mark.parametrize("seen_in", [1, 6])
def test_who_is_found_once_is_hidden_in_the_recording_a_moment_before_and_after(frames, tmp_path, monkeypatch, seen_in):
    calls = iter(range(1, 100))

    def look(self, image):
        here = next(calls) == seen_in
        return Detections([BOX], [0.2], [0], names={0: "person"}) if here else Detections.empty()

    monkeypatch.setattr(SharedDetector, "__call__", look)
    quick = CONFIG.override({"detector": {"skip_repeats": False}})
    site(tmp_path, frames, quick, record=True).run()
    left = recorded(tmp_path)
    reached = [n for n in range(len(frames)) if seen_in - 1 - 5 <= n]
    originals = [image for image, _ in frames]
    assert most_left([left[n] for n in reached], [originals[n] for n in reached], [[BOX]] * len(reached)) < READABLE


def test_a_picture_that_nobody_looked_at_is_not_shown_live(frames, tmp_path):
    running = site(tmp_path, frames[:3], CONFIG.override({"detector": {"every": "3", "skip_repeats": False}}))
    pictures = []
    running._publish = lambda moment: pictures.append(moment.image)
    running.run()
    assert pictures[0] is pictures[1] is pictures[2]


@pytest.mark.parametrize(("blur", "words"), [("persn", "did you mean 'person'"), ("", "knows no class ''")])
def test_what_cannot_be_hidden_is_said_before_anything_runs(tmp_path, blur, words):
    with pytest.raises(UsageError, match=words):
        site(tmp_path, [], blur=(blur,)).start()


def test_the_file_and_the_command_take_classes_and_heads(tmp_path, capsys):
    file = tmp_path / "site.yaml"
    file.write_text("project: out\ncameras: {door: {source: rtsp://127.0.0.1:9/a, blur: [heads, car]}}")
    assert SiteConfig.load(file).cameras["door"].blur == ("heads", "car")
    with pytest.raises(SystemExit) as end:
        main(["serve", str(file), "--blur", "heads,persn"])
    assert end.value.code
    assert "knows no class 'persn'; did you mean 'person'" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("empty", ["", ",", " , "])
def test_an_option_without_a_class_is_an_error_never_a_clear_picture(tmp_path, monkeypatch, capsys, empty):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["serve", "rtsp://127.0.0.1:9/a", "--blur", empty])
    assert end.value.code == 2 and not any(tmp_path.iterdir())
    assert "--blur names no class, and nothing would be hidden" in capsys.readouterr().err
