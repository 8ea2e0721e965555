"""Lines and zones of a camera: events in its files and to those who watch, counts that outlive a restart."""

import json
import time

import httpx
import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from helpers.browser import browser
from helpers.clips import crossing
from tracker import Config, Site, open_source
from tracker.errors import ConfigError
from tracker.site.config import HttpConfig, SiteCamera, SiteConfig
from tracker.site.feed import ENDED
from tracker.site.messages.message import SCHEMA
from tracker.site.publishing.publisher import Updates

CONFIG = Config().override({"detector": {"imgsz": 320}, "device": "cpu", "appearance": {"enabled": False}})
BEGIN_S = 1_764_442_800.0
ZONES = """
lines: {gate: {points: [[160, 0], [160, 240]], classes: [person]}}
zones: {left: {points: [[0, 0], [80, 0], [80, 130], [0, 130]]}}
"""


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Somebody comes in at the left, above those who stand there, and goes to the right."""
    with open_source(crossing(tmp_path_factory.mktemp("clip") / "a.mp4")) as source:
        return [(frame.image, BEGIN_S + frame.time_s) for frame in source]


def site(frames, folder, zones=ZONES, **settings):
    folder.mkdir(exist_ok=True)
    (folder / "zones.yaml").write_text(zones)
    camera = SiteCamera(source=frames, zones=str(folder / "zones.yaml"))
    return Site(SiteConfig(cameras={"door": camera}, tracker=CONFIG, project=folder / "out", **settings))


def written(folder):
    paths = sorted((folder / "out" / "door").glob("*/events.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def counts(running):
    return {(row.zone, row.name): (row.ins, row.outs, row.inside) for row in running.cameras["door"].status().counts}


@pytest.fixture(scope="module")
def watched(frames, tmp_path_factory):
    """The folder, what a subscriber heard, what the pages answered, and the moments of the former."""
    folder = tmp_path_factory.mktemp("site")
    running = site(frames, folder, http=HttpConfig(bind="127.0.0.1:0"))
    running.start()
    listening = running.subscribe(limit=1000)
    while running.cameras["door"].status().state != ENDED or not running.cameras["door"].join(0.0):
        time.sleep(0.05)
    with httpx.Client(base_url=f"http://{running._services[0].shown}", timeout=60) as client:
        answers = client.get("/health").json()["cameras"]["door"], client.get("/metrics").text
    running.stop()
    moments = list(listening)
    return folder, [event for moment in moments for event in moment.events], *answers, moments


def test_who_crosses_a_line_and_is_in_a_zone_is_written_with_unix_seconds(watched):
    events = written(watched[0])
    told = [(event["event"], event["zone"], event["direction"]) for event in events]
    assert told == [("enter", "left", "in"), ("exit", "left", "out"), ("cross", "gate", "in")]
    assert list(events[0]) == ["time_s", "frame", "event", "zone", "id", "class", "direction", "seconds"]
    assert len({event["id"] for event in events}) == 1 and {event["class"] for event in events} == {"person"}
    assert all(abs(event["time_s"] - BEGIN_S - (event["frame"] - 1) / 12) < 1 / 12 for event in events)
    assert events[1]["seconds"] == pytest.approx(events[1]["time_s"] - events[0]["time_s"], abs=0.01)


def test_a_subscriber_hears_the_same(watched):
    assert watched[1] == written(watched[0]) != []


def test_counts_stand_beside_the_events_and_are_published_with_them(watched):
    (table,) = (watched[0] / "out" / "door").glob("*/counts.csv")
    seconds = next(event["seconds"] for event in written(watched[0]) if event["event"] == "exit")
    assert table.read_text().splitlines() == [
        "zone,class,in,out,inside,mean_dwell_s",
        "gate,person,1,0,,",
        f"left,person,1,1,0,{seconds:.2f}",
    ]
    sent = [json.loads(one.body) for moment in watched[4] for one in Updates(0.0, False).messages(moment)]
    told = [body for body in sent if body["type"] == "counts"]
    assert [body["type"] for body in sent].index("event") < [body["type"] for body in sent].index("counts")
    assert told[-1]["counts"] == watched[2]["counts"]
    schema = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    for body in sent:
        schema.validate(body)


def test_health_and_metrics_have_the_counts(watched):
    assert watched[2]["counts"] == [
        {"zone": "gate", "class": "person", "in": 1, "out": 0, "inside": None},
        {"zone": "left", "class": "person", "in": 1, "out": 1, "inside": 0},
    ]
    families = {family.name: family for family in text_string_to_metric_families(watched[3])}
    place = {"camera": "door", "class": "person"}
    for name, expected in (("in", {"gate": 1, "left": 1}), ("out", {"gate": 0, "left": 1}), ("inside", {"left": 0})):
        samples = families[f"tracker_zone_{name}"].samples
        assert [(sample.labels, sample.value) for sample in samples] == [
            ({**place, "zone": zone}, count) for zone, count in expected.items()
        ]


def test_counts_go_on_after_a_restart_and_whoever_was_inside_comes_in_once_more(frames, tmp_path):
    half = frames[:15]
    first = site(half, tmp_path)
    first.run()
    before = counts(first)
    assert before["left", "person"] == (1, 0, 1)
    later = [(image, time_s + 60) for image, time_s in half]
    second = site(later, tmp_path)
    second._prepare()
    assert counts(second)["left", "person"] == (1, 1, 0)
    second.run()
    assert counts(second)["left", "person"] == (2, 1, 1)


def test_the_live_picture_shows_the_places_and_the_counts(watched, frames, tmp_path):
    running = site(frames[:3], tmp_path)
    running.run()
    said = running.cameras["door"].counted((320, 240))
    assert [text for text, *_ in said] == ["gate  0 in  0 out", "left  0 inside"]
    assert said[0][1].tolist() == [[160, 0], [160, 240]]


@pytest.mark.slow
def test_the_page_tells_the_counts_and_what_happened_in_few_words(frames, tmp_path):
    with browser() as chromium:
        running = site(frames, tmp_path, http=HttpConfig(bind="127.0.0.1:0"))
        running.start()
        try:
            page = chromium.new_page()
            page.goto(f"http://{running._services[0].shown}")
            said = "gate: 1 in, 0 out · left: 0 inside"
            page.wait_for_function("said => document.querySelector('.counts')?.textContent == said", arg=said)
            page.wait_for_function("() => document.getElementById('events').innerText.includes('crossed gate, in')")
            assert page.get_by_text("entered left").inner_text().endswith("entered left")
        finally:
            running.stop()


def test_a_class_that_is_counted_and_not_known_is_told_before_anything_runs(frames, tmp_path):
    with pytest.raises(ConfigError, match="'gate' counts the class 'unicorn', which the detector does not know"):
        site(frames, tmp_path, ZONES.replace("person", "unicorn")).start()
    assert not list(tmp_path.glob("out/door/*"))
