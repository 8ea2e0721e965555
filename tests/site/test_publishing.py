"""What happens is sent, in order, at least once, whatever becomes of the destination meanwhile."""

import json
import logging
import math
import sqlite3
import sys
import threading
from dataclasses import replace

import cv2
import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.brokers import free_port, hook, mosquitto, redis, slow_broker
from helpers.clips import BUS
from helpers.waiting import until
from tracker import Config, Detections, Site, Tracker
from tracker.errors import ConfigError, MissingExtraError, UsageError
from tracker.site.config import PublishConfig, SiteCamera, SiteConfig
from tracker.site.feed import Moment, Settled, Visit
from tracker.site.messages.message import END, EVENT, SCHEMA, START, UPDATE, Message, of_event, of_visit
from tracker.site.publishing import delivery as deliveries
from tracker.site.publishing import mqtt as mqtt_module
from tracker.site.publishing.address import Endpoint
from tracker.site.publishing.delivery import Delivery
from tracker.site.publishing.destination import destination
from tracker.site.publishing.publisher import Updates
from tracker.site.publishing.spool import Spool
from tracker.site.publishing.spool_folder import SpoolFolder
from tracker.site.publishing.webhook import signature
from tracker.site.said import MOST
from tracker.video.url import shown

ROOM = 1 << 20
VALID = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()), format_checker=jsonschema.FormatChecker())

times = st.floats(0, 4e9)
visits = st.builds(
    Visit,
    id=st.integers(1, 1 << 40),
    number=st.integers(0, 1000),
    name=st.text(max_size=20),
    start_s=times,
    last_s=times,
    frames=st.integers(1, 1 << 30),
    box=st.tuples(*4 * [st.floats(-1e5, 1e5)]),
    score=st.floats(0, 1) | st.just(math.nan),
)


def visit(i=1, start_s=10.0, last_s=12.0) -> Visit:
    return Visit(i, 0, "person", start_s, last_s, 20, (1.0, 2.0, 3.0, 4.0), 0.9)


def message(kind=END, i=1) -> Message:
    return of_visit(kind, "door", visit(i))


class TestMessages:
    @given(st.sampled_from([START, UPDATE, END]), visits, st.booleans())
    def test_each_keeps_to_the_schema(self, kind, one, seen):
        body = json.loads(of_visit(kind, "door", one, np.eye(4, dtype=np.float32)[0] if seen else None).body)
        VALID.validate(body)
        assert body["track"].get("embedding") == ([1, 0, 0, 0] if seen else None)

    @given(st.dictionaries(st.text(max_size=5), st.none() | times | st.text(max_size=5)))
    def test_and_so_does_an_event(self, more):
        event = {**more, "event": "cross", "time_s": 5.0}
        body = json.loads(of_event("door", event, 6.0).body)
        VALID.validate(body)
        assert body["event"] == event and body["time_s"] == 5.0

    def test_one_that_is_sent_again_has_the_same_id_and_no_other_has(self):
        same = {json.loads(message().body)["message_id"] for _ in range(2)}
        later = replace(visit(), last_s=13.0)
        others = [of_visit(START, "door", visit()), of_visit(END, "yard", visit()), message(i=2)]
        others += [of_visit(UPDATE, "door", one) for one in (visit(), later)]
        others += [of_event("door", {"event": "enter", "zone": zone}, 1.0) for zone in ("till", "gate")]
        ids = [json.loads(one.body)["message_id"] for one in others]
        assert len(same) == 1 and len({*same, *ids}) == 1 + len(ids)
        assert json.loads(of_visit(END, "door", later).body)["message_id"] in same, "an end that a restart tells again"


class TestUpdates:
    """Which messages moments make."""

    def moments(self, seconds: int) -> list[Moment]:
        """One object, ten frames a second, that comes at 0 and leaves at the end."""
        made, empty = [], Tracker().update(None, Detections.empty())
        for number in range(seconds * 10):
            one = visit(7, 0.0, number / 10)
            settled = (Settled(number, number / 10, empty),)
            started = (one,) if number == 0 else ()
            made.append(Moment("door", number, number / 10, None, empty, settled, {7: one}, started))
        last = made[-1].present[7]
        return [*made, Moment("door", number + 1, seconds, None, empty, (), {}, ended=(last,))]

    def kinds(self, updates: Updates, seconds: int) -> list[str]:
        return [one.kind for moment in self.moments(seconds) for one in updates.messages(moment)]

    def test_an_object_is_told_of_when_it_comes_at_a_bounded_rate_and_when_it_leaves(self):
        assert self.kinds(Updates(1.0, False), 5) == [START, *4 * [UPDATE], END]
        assert self.kinds(Updates(0.0, False), 5) == [START, END]

    def test_nothing_is_remembered_of_who_has_left(self):
        updates = Updates(1.0, True)
        self.kinds(updates, 3)
        assert updates._sent_s == {"door": {}} == updates._looks


class TestSpool:
    def test_what_waits_outlives_a_kill_in_order(self, tmp_path):
        spool = Spool(tmp_path / "a.sqlite", ROOM)  # which is never closed
        spool.add(message(i=i) for i in range(1, 6))
        keys, _ = spool.first(2)
        spool.remove(keys)
        again = Spool(tmp_path / "a.sqlite", ROOM)
        assert len(again) == 3
        assert [json.loads(one.body)["track"]["id"] for one in again.first(10)[1]] == [3, 4, 5]

    @given(kinds=st.lists(st.sampled_from([START, UPDATE, END, EVENT]), max_size=30), room=st.integers(0, 20))
    def test_it_is_bounded_and_updates_go_first(self, kinds, room, tmp_path_factory):
        spool = Spool(tmp_path_factory.mktemp("spool") / "a.sqlite", room * 10)
        for kind in kinds:
            spool.add([Message(kind, "door", "x" * 10)])
        left = [one.kind for one in spool.first(100)[1]]
        assert len(left) == len(spool) == min(room, len(kinds)) == len(kinds) - spool.dropped
        assert left.count(UPDATE) == 0 or spool.dropped <= kinds.count(UPDATE)

    def test_a_damaged_one_is_kept_aside_and_a_new_one_begun(self, tmp_path, caplog):
        (tmp_path / "a.sqlite").write_bytes(b"not a database, but long enough to be taken for one" * 100)
        assert len(Spool(tmp_path / "a.sqlite", ROOM)) == 0
        assert (tmp_path / "a.damaged").read_bytes().startswith(b"not a database")
        assert "is damaged" in caplog.text

    def test_a_disk_that_fails_is_told_and_counted_and_holds_nothing_up(self, tmp_path):
        spool = Spool(tmp_path / "a.sqlite", ROOM)
        one = Delivery("x", destination("http://127.0.0.1:9/hook", PublishConfig()), spool)
        spool.close()
        with pytest.raises(sqlite3.Error):
            spool.add([message()])
        one.add([message()])
        assert one.status().dropped == 1 and "cannot be kept on disk" in one.status().problem


class TestWhatIsLeftOfDestinations:
    """Spools of those that site.yaml does not name any more."""

    A, B = "0123456789abcdef", "fedcba9876543210"
    DAY_S = 86400

    def spools(self, project, named=(), limit=ROOM):
        """A process's view of them, in which some are named."""
        folder = SpoolFolder(project, limit)
        folder.folder.mkdir(parents=True, exist_ok=True)
        for key in named:
            path = folder.folder / f"{key}.sqlite"
            Spool(path, ROOM).close()
            folder.use(path, f"mqtt://{key}/x")
        return folder

    def test_is_told_once_and_removed_after_a_week(self, tmp_path, caplog):
        self.spools(tmp_path, [self.A, self.B])
        (tmp_path / "state" / "publish" / "notes.txt").write_text("mine")
        later = self.spools(tmp_path, [self.A])
        for day in range(7):
            later.tidy(1e9 + day * self.DAY_S)
        said = [record.getMessage() for record in caplog.records]
        assert len(said) == 1 and f"mqtt://{self.B}/x is not published to any more" in said[0]
        assert (later.folder / f"{self.B}.sqlite").is_file()
        later.tidy(1e9 + 7.1 * self.DAY_S)
        assert "is removed" in caplog.records[-1].getMessage()
        assert {path.name for path in later.folder.iterdir()} == {f"{self.A}.sqlite", f"{self.A}.url", "notes.txt"}

    def test_waits_anew_where_it_was_named_again_in_between(self, tmp_path):
        self.spools(tmp_path, [self.A])
        self.spools(tmp_path).tidy(1e9)
        self.spools(tmp_path, [self.A]).tidy(1e9 + 5 * self.DAY_S)
        again = self.spools(tmp_path)
        again.tidy(1e9 + 8 * self.DAY_S)
        assert (again.folder / f"{self.A}.sqlite").is_file()

    def test_is_bounded_the_newest_is_kept(self, tmp_path):
        self.spools(tmp_path, [self.A, self.B])
        self.spools(tmp_path, [self.B]).tidy(1e9)
        self.spools(tmp_path, limit=50_000).tidy(2e9)
        for key in (self.A, self.B):
            (tmp_path / "state" / "publish" / f"{key}.sqlite").write_bytes(bytes(30_000))
        for key, since_s in ((self.A, 2e9), (self.B, 2e9 + 1)):
            (tmp_path / "state" / "publish" / f"{key}.unused").write_text(f"{since_s:.0f}")
        self.spools(tmp_path, limit=50_000).tidy(2e9 + 2)
        assert {path.stem for path in (tmp_path / "state" / "publish").iterdir()} == {self.B}

    def test_is_looked_for_also_where_nothing_is_published_any_more(self, tmp_path, caplog):
        self.spools(tmp_path, [self.A])
        Site(replace(SiteConfig.of_sources(["rtsp://127.0.0.1:9/x"]), project=tmp_path)).prune()
        assert f"mqtt://{self.A}/x is not published to any more" in caplog.text


def test_without_the_package_one_sentence_says_what_to_install_and_nothing_is_written(tmp_path, monkeypatch):
    for url, package in (("mqtt://h/t", "paho"), ("https://h/x", "httpx"), ("redis://h/0", "redis")):
        config = SiteConfig.of_sources(["rtsp://127.0.0.1:9/x"])
        site = Site(replace(config, project=tmp_path / "out", publish=PublishConfig(to=(url,))))
        for module in [name for name in sys.modules if name.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(
            MissingExtraError, match=rf"^{package} is not installed; run: pip install 'lstm-tracker\[pub"
        ):
            site.run()
        assert not list(tmp_path.glob("out/state/publish*"))


@pytest.fixture
def deliver(tmp_path, monkeypatch):
    """Makes a started delivery to a URL; all are stopped at the end."""
    monkeypatch.setattr(deliveries, "_PAUSES_S", (0.05, 0.2))
    made = []

    def start(url, **settings):
        spool = Spool(tmp_path / f"{len(made)}.sqlite", ROOM)
        made.append(Delivery(shown(url), destination(url, PublishConfig(**settings)), spool))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.stop()
        one.join(5)


class TestWebhook:
    def test_messages_are_posted_in_order_and_signed(self, deliver, tmp_path):
        (tmp_path / "secret").write_text("hush\n")
        with hook() as server:
            url = f"http://bob:pass@127.0.0.1:{server.port}/here?key=1"
            one = deliver(url, secret_file=str(tmp_path / "secret"))
            one.add(message(i=i) for i in range(1, 251))
            until(lambda: len(server.taken) == 250)
            assert [taken["track"]["id"] for taken in server.taken] == list(range(1, 251))
            path, headers, body = server.requests[0]
            assert path == "/here?key=1" and headers["Authorization"].startswith("Basic ")
            assert headers["X-Tracker-Signature"] == "sha256=" + signature(
                b"hush", headers["X-Tracker-Timestamp"], body
            )
            until(lambda: one.status().waiting == 0)
            assert one.status().delivered == 250 and one.status().problem == ""

    def test_one_that_fails_gets_the_same_again_and_one_that_refuses_does_not(self, deliver):
        with hook() as server:
            server.statuses = [503, 500, 429, 400]
            one = deliver(f"http://127.0.0.1:{server.port}/")
            one.add([message(i=1)])
            until(lambda: one.status().refused == 1)
            assert len({body for _, _, body in server.requests}) == 1
            one.add([message(i=2)])
            until(lambda: [taken["track"]["id"] for taken in server.taken] == [2])
            until(lambda: one.status().problem == "" and one.status().waiting == 0)

    def test_one_that_comes_and_goes_fills_no_log(self, deliver, caplog):
        with hook() as server, caplog.at_level(logging.INFO):
            server.statuses = [503, 200] * 12
            one = deliver(f"http://127.0.0.1:{server.port}/")
            for i in range(1, 13):
                one.add([message(i=i)])
                until(lambda i=i: one.status().delivered == i)
        said = [record.getMessage() for record in caplog.records if record.name == "tracker.site"]
        assert "it answers 503" in said[0] and said[1].endswith("is there again")
        assert len(said) == MOST

    def test_one_that_takes_longer_than_five_seconds_gets_each_message_once(self, deliver):
        with hook() as server:
            server.takes_s = 5.5
            one = deliver(f"http://127.0.0.1:{server.port}/")
            one.add([message()])
            until(lambda: one.status().delivered == 1)
            assert len(server.requests) == 1

    def test_one_that_takes_longer_than_it_may_gets_the_same_ids_again(self, deliver):
        with hook() as server:
            server.takes_s = 1.3
            one = deliver(f"http://127.0.0.1:{server.port}/", timeout_s=1.0)
            one.add([message()])
            until(lambda: len(server.taken) >= 2)
            assert len({taken["message_id"] for taken in server.taken}) == 1
            assert one.status().problem == "it does not answer within 1 s"

    def test_it_does_not_go_where_it_is_sent_on_to(self, deliver):
        with hook() as server:
            server.statuses = [307]
            deliver(f"http://127.0.0.1:{server.port}/").add([message()])
            until(lambda: server.taken)
            assert {path for path, _, _ in server.requests} == {"/"}

    def test_while_it_is_away_ends_wait_and_updates_do_not(self, deliver):
        port = free_port()
        one = deliver(f"http://127.0.0.1:{port}/")
        one.add([message(START)])
        until(lambda: not one.status().reachable)
        assert "refused" in one.status().problem
        one.add([message(UPDATE), message(END)])
        assert one.status().waiting == 2


class TestMqtt:
    def test_topics_and_what_the_broker_keeps_of_who_is_online(self, deliver, tmp_path):
        import paho.mqtt.client as mqtt

        port, heard = free_port(), []
        with mosquitto(port, tmp_path / "broker"):
            listener = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
            listener.on_message = lambda _client, _data, said: heard.append((said.topic, said.payload))
            listener.connect("127.0.0.1", port)
            listener.subscribe("site/#", qos=1)
            listener.loop_start()
            one = deliver(f"mqtt://127.0.0.1:{port}/site/")
            sent = [message(START), message(END), of_event("yard", {"event": "enter"}, 1.0)]
            one.add(sent)
            until(lambda: len(heard) == 4)
            one.stop()
            until(lambda: heard[-1] == ("site/status", b"offline"))
            listener.loop_stop()
            listener.disconnect()
        assert heard[0] == ("site/status", b"online")
        topics = ["site/door/start", "site/door/end", "site/yard/event"]
        assert heard[1:4] == [(topic, one.body.encode()) for topic, one in zip(topics, sent, strict=True)]

    def test_a_broker_that_dies_gets_what_happened_meanwhile_when_it_is_back(self, deliver, tmp_path):
        port, caught = free_port(), []
        one = deliver(f"mqtt://127.0.0.1:{port}/site")
        one.add([message(i=1)])
        until(lambda: not one.status().reachable)
        with mosquitto(port, tmp_path / "broker"):
            until(lambda: one.status().delivered == 1)
        one.add([message(i=2)])
        until(lambda: not one.status().reachable)
        with mosquitto(port, tmp_path / "broker"), listening(port, caught):
            until(lambda: one.status().delivered == 2)
            one.add([message(i=3)])
            until(lambda: message(i=3).body.encode() in caught)
            until(lambda: one.status().waiting == 0)

    def test_a_password_that_is_wrong_is_told_and_never_shown(self, deliver, tmp_path, caplog):
        (tmp_path / "broker").mkdir()
        (tmp_path / "broker" / "users").write_text("")
        port = free_port()
        with mosquitto(port, tmp_path / "broker", "allow_anonymous false"):
            one = deliver(f"mqtt://bob:hunter2@127.0.0.1:{port}/site")
            with caplog.at_level(logging.DEBUG):
                one.add([message()])
                until(lambda: not one.status().reachable)
        assert "broker says" in one.status().problem
        assert "hunter2" not in caplog.text + repr(one.status())


class listening:
    """Catches what is published under `site/door` meanwhile."""

    def __init__(self, port, caught, topic="site/door/#"):
        self._topic = topic
        import paho.mqtt.client as mqtt

        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _client, _data, said: caught.append(said.payload)
        self._port = port

    def __enter__(self):
        self._client.connect("127.0.0.1", self._port)
        self._client.subscribe(self._topic, qos=1)
        self._client.loop_start()

    def __exit__(self, *_):
        self._client.loop_stop()
        self._client.disconnect()


class TestWhatADestinationMayDo:
    """Whatever it answers, and whatever the disk does, the rest is delivered."""

    def test_of_many_messages_only_the_one_that_it_will_not_have_is_given_up(self, deliver):
        with hook() as server:
            server.refuses = lambda messages: any(one["track"]["id"] == 37 for one in messages)
            one = deliver(f"http://127.0.0.1:{server.port}/")
            one.add(message(i=i) for i in range(1, 101))
            until(lambda: one.status().waiting == 0)
            assert [taken["track"]["id"] for taken in server.taken] == [i for i in range(1, 101) if i != 37]
            assert one.status().refused == 1 and one.status().delivered == 99

    def test_an_answer_without_an_end_is_not_read(self, deliver):
        with hook() as server:
            server.endless = True
            one = deliver(f"http://127.0.0.1:{server.port}/")
            one.add([message()])
            until(lambda: one.status().waiting == 0)
            assert server.written < 8 << 20

    @pytest.mark.parametrize("error", [sqlite3.OperationalError("disk is full"), ZeroDivisionError()])
    def test_what_fails_on_the_way_is_told_and_tried_again(self, deliver, monkeypatch, error):
        failing = [error, error]

        def remove(spool, keys, really=Spool.remove):
            if failing:
                raise failing.pop()
            really(spool, keys)

        monkeypatch.setattr(Spool, "remove", remove)
        with hook() as server:
            one = deliver(f"http://127.0.0.1:{server.port}/")
            one.add([message()])
            until(lambda: one.status().waiting == 0)
            assert one.status().problem == "" and one.status().delivered == 1
            assert len(server.taken) == 3, "at least once"

    def test_the_log_has_no_secret_of_a_webhooks_url(self, deliver, caplog):
        with hook() as server, caplog.at_level(logging.INFO):
            one = deliver(f"http://bob:hunter2@127.0.0.1:{server.port}/here?key=hunter2")
            one.add([message()])
            until(lambda: one.status().waiting == 0)
        assert "hunter2" not in caplog.text

    def test_a_slow_broker_that_goes_on_acknowledging_is_not_sent_the_same_again(self, deliver, tmp_path, monkeypatch):
        monkeypatch.setattr(mqtt_module, "CONNECTS_WITHIN_S", 1.0)
        with slow_broker(0.03) as broker:
            one = deliver(f"mqtt://127.0.0.1:{broker.port}/site")
            one.add(message(i=i) for i in range(1, 101))
            until(lambda: one.status().waiting == 0)
            assert broker.connections == 1

    def test_a_broker_that_restarted_is_told_who_is_online(self, deliver, tmp_path):
        port = free_port()
        with mosquitto(port, tmp_path / "broker"):
            one = deliver(f"mqtt://127.0.0.1:{port}/site")
            one.add([message()])
            until(lambda: one.status().delivered == 1)
        heard = []
        with mosquitto(port, tmp_path / "broker"), listening(port, heard, "site/status"):
            until(lambda: heard == [b"online"])

    def test_a_broker_that_goes_while_it_is_said_goodbye_is_not_missed(self, tmp_path):
        port = free_port()
        with mosquitto(port, tmp_path / "broker"):
            broker = mqtt_module.Mqtt(Endpoint.of(f"mqtt://127.0.0.1:{port}/site"), None, 10.0)
            broker.deliver([message()])
            client = broker._client
            client.loop_stop()
            client._sock_close()  # as paho does where a connection breaks, a moment before it says so
            assert client.is_connected()
            broker.close()
            assert not client.is_connected()


def test_a_spool_that_is_full_does_no_more_than_one_that_is_not(tmp_path):
    spool = Spool(tmp_path / "a.sqlite", 16 << 20)
    body = "x" * 400
    while not spool.dropped:
        spool.add([Message(END, "door", body)] * 1000)
    steps = []  # of a thousand instructions of SQLite's
    spool._database.set_progress_handler(lambda: steps.append(1) and None, 1000)
    for _ in range(100):
        spool.add([Message(END, "door", body)])
    assert len(steps) < 1000, "all that waits was looked through for each"


def test_a_redis_stream_gets_an_entry_each(deliver, tmp_path):
    import redis as client

    port = free_port()
    one = deliver(f"redis://127.0.0.1:{port}/0?stream=street")
    one.add([message(START)])
    until(lambda: not one.status().reachable)
    with redis(port, tmp_path), client.Redis(port=port) as server:
        one.add([message(END)])
        until(lambda: one.status().waiting == 0)
        entries = [fields for _, fields in server.xrange("street")]
    assert [entry[b"type"] for entry in entries] == [b"start", b"end"]
    assert entries[1] == {b"type": b"end", b"camera": b"door", b"message": message(END).body.encode()}


@pytest.mark.parametrize(
    "url, said",
    [
        ("ftp://bob:hunter2@host/x", "give mqtt://HOST/TOPIC"),
        ("mqtt:///topic", "give mqtt://HOST/TOPIC"),
        ("mqtt://host:99999/topic", "give mqtt://HOST/TOPIC"),
        ("mqtt://host/a/+/b", "wildcard in its topic"),
        ("redis://host/street", "give redis://HOST/0"),
        ("https://bob:hunter2@host/\x01", "give https://HOST/HOOK"),
    ],
)
def test_a_url_that_cannot_be_published_to_is_one_sentence_without_its_password(url, said):
    with pytest.raises(UsageError, match=said) as told:
        destination(url, PublishConfig())
    assert "hunter2" not in str(told.value)


def test_secrets_and_authorities_that_cannot_be_read_are_told(tmp_path):
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match="has no secret"):
        destination("https://host/", PublishConfig(secret_file=str(tmp_path / "empty")))
    with pytest.raises(ConfigError, match="holds no certificate"):
        destination("mqtts://host/x", PublishConfig(ca_file=str(tmp_path / "empty")))
    with pytest.raises(ConfigError, match="holds no certificate"):
        destination("rediss://host/0", PublishConfig(ca_file=str(tmp_path / "none")))


def test_what_a_site_publishes_is_who_came_and_left(tmp_path):
    """A bus and people in view for a second, then an empty street; the receiver fails at first."""
    photo = cv2.resize(cv2.imread(str(BUS)), (324, 432))
    views = [photo[100:340, left : left + 284] for left in range(0, 40, 2)] + 30 * [
        np.full((240, 284, 3), 90, np.uint8)
    ]
    config = Config().override({"detector": {"imgsz": 160}, "device": "cpu", "appearance": {"enabled": False}})
    with hook() as server:
        server.statuses = [503]
        url = f"http://127.0.0.1:{server.port}/"
        site = Site(
            SiteConfig(
                cameras={"door": SiteCamera(source=[(view, 1000 + k / 10) for k, view in enumerate(views)])},
                project=tmp_path,
                tracker=config,
                ends_after_s=1.0,
                publish=PublishConfig(to=(url,)),
            )
        )
        told = site.subscribe()
        runs = threading.Thread(target=site.run)
        runs.start()
        moments = list(told)
        runs.join()
        until(lambda: site.destinations()[0].waiting == 0)
        for kind, seen in (
            (START, [one for m in moments for one in m.started]),
            (END, [o for m in moments for o in m.ended]),
        ):
            sent = [taken["track"]["id"] for taken in server.taken if taken["type"] == kind]
            assert sent == [one.id for one in seen] != []
    for taken in server.taken:
        VALID.validate(taken)
