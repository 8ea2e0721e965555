"""Sources and results in an object storage: moto's server over real HTTP, which fails now and then."""

import csv
import io
import os
import socket
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import pytest

from helpers.clips import pan
from helpers.galleries import video_of
from helpers.ray_nodes import ENVIRONMENT
from tracker.errors import OutputError, SourceError, UsageError
from tracker.jobs.batch import storage
from tracker.jobs.batch.storage import Results, copied, gallery_at, is_stored, objects
from tracker.jobs.identities.finding import find_identities

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")

KEYS = {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
FAST = ["--imgsz", "160", "--no-video", "--jobs", "1"]


class Faulty:
    """Every third request is answered with an error, every fifth of the others breaks off in the middle."""

    def __init__(self, app) -> None:
        self._app, self._requests = app, count()
        self.faults = 0
        self.on = True

    def __call__(self, environ, start_response):
        number = next(self._requests)
        if self.on and number % 3 == 0:
            self.faults += 1
            start_response("503 Slow Down", [("Content-Length", "0")])
            return [b""]
        body = b"".join(self._app(environ, start_response))
        if self.on and number % 5 == 0 and len(body) > 1000:
            self.faults += 1
            return [body[: len(body) // 2]]
        return [body]


@pytest.fixture
def bucket(monkeypatch):
    """A bucket, and the server that it is at."""
    from werkzeug.serving import make_server

    app = Faulty(server.DomainDispatcherApplication(server.create_backend_app))
    app.on = False
    http = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    for name, value in KEYS.items() | {("AWS_ENDPOINT_URL", f"http://127.0.0.1:{http.server_port}")}:
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(storage, "PAUSE_S", 0.01)
    files = filesystem()
    files.mkdir("archive")
    yield app
    app.on = False
    filesystem().rm("archive", recursive=True)  # moto keeps it as long as the process lives
    http.shutdown()
    thread.join()
    http.server_close()


def filesystem():
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    return s3fs.S3FileSystem(use_listings_cache=False)


def track_batch(*words) -> tuple[int, str]:
    environment = ENVIRONMENT | {name: value for name, value in os.environ.items() if name.startswith("AWS")}
    command = [sys.executable, "-m", "tracker", "batch", *words, *FAST]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250)
    return done.returncode, done.stderr


@pytest.mark.slow
def test_a_batch_of_objects_is_complete_whatever_requests_fail(bucket, tmp_path):
    files = filesystem()
    (tmp_path / "clips").mkdir()
    for name in ("1", "2"):
        files.put_file(str(pan(tmp_path / "clips" / f"{name}.mp4", frames=8)), f"archive/in/{name}.mp4")
    files.pipe("archive/in/broken.mp4", b"no video\n" * 200)
    files.pipe("archive/in/notes.txt", b"no source")
    bucket.on = True
    code, err = track_batch("s3://archive/in/", "--project", "s3://archive/out")
    bucket.on = False
    assert bucket.faults > 5
    assert code == 1 and "1 of 3 videos failed; s3://archive/out/batch.csv says why" in err, err
    rows = list(csv.DictReader(io.StringIO(files.cat_file("archive/out/batch.csv").decode())))
    assert {row["source"]: row["state"] for row in rows} == {
        "s3://archive/in/1.mp4": "done",
        "s3://archive/in/2.mp4": "done",
        "s3://archive/in/broken.mp4": "failed",
    }
    code, _ = track_batch(str(tmp_path / "clips"), "--project", str(tmp_path / "local"))
    assert code == 0
    for name in ("1", "2"):
        for table in ("tracks.txt", "tracks.csv", "summary.csv"):
            local = (tmp_path / "local" / name / table).read_bytes()
            assert files.cat_file(f"archive/out/{name}/{table}") == local
        assert b"given: s3://archive/in/" in files.cat_file(f"archive/out/{name}/run.yaml")
    summary = list(csv.DictReader(io.StringIO(files.cat_file("archive/out/summary.csv").decode())))
    assert {row["folder"] for row in summary} == {"1", "2"}
    before = files.info("archive/out/1/tracks.txt")["LastModified"]
    code, err = track_batch("s3://archive/in/*.mp4", "--project", "s3://archive/out/")
    assert code == 1 and files.info("archive/out/1/tracks.txt")["LastModified"] == before


@pytest.mark.slow
def test_a_gallery_is_complete_whatever_requests_fail(bucket, tmp_path):
    """Two videos of one name, in two folders, among them: each has its own file."""
    people = {"/a/1.mp4": [1, 2, 3], "/b/1.mp4": [2, 4], "/b/2.mp4": range(1, 40)}
    local, stored = gallery_at(str(tmp_path / "seen")), gallery_at("s3://archive/seen")
    for number in (1, 2):
        bucket.on = True
        stored.require_usable()
        for source, seen in people.items():
            for archive in (stored, local):
                archive.add(video_of(source, [number, *seen]))
        found = find_identities(stored)
        bucket.on = False
        assert (found.videos, find_identities(local)) == (3, found)
        files = [path for path in (tmp_path / "seen").rglob("*") if path.is_file()]
        there = filesystem().find("archive/seen")
        assert there == sorted(f"archive/seen/{path.relative_to(tmp_path / 'seen').as_posix()}" for path in files)
        for path in files:
            name = path.relative_to(tmp_path / "seen").as_posix()
            assert filesystem().cat_file(f"archive/seen/{name}") == path.read_bytes()
    assert bucket.faults > 5
    with pytest.raises(UsageError, match="knows several videos as 1; give the source"):
        stored.forget_video("1")


def test_results_of_others_are_left_alone(bucket, tmp_path):
    files = filesystem()
    files.pipe("archive/out/1/notes.txt", b"mine")
    clip = pan(tmp_path / "1.mp4", frames=3)
    code, err = track_batch(str(clip), "--project", "s3://archive/out")
    assert code == 1 and err.strip().endswith(
        "s3://archive/out/1 is there and no batch made it; move it away, or give another --project"
    )
    assert files.find("archive/out") == [
        "archive/out/.made-by-track-batch",
        "archive/out/1/notes.txt",
        "archive/out/batch.csv",
        "archive/out/batch.yaml",
    ]


def test_a_url_stands_for_an_object_a_glob_or_all_below_it(bucket):
    filesystem().pipe({f"archive/in/{name}": b"x" for name in ("a/1.mp4", "a/2.mp4", "b.mp4")})
    assert objects("s3://archive/in/b.mp4") == ["s3://archive/in/b.mp4"]
    assert objects("s3://archive/in/a/*.mp4") == ["s3://archive/in/a/1.mp4", "s3://archive/in/a/2.mp4"]
    assert len(objects("s3://archive/in/")) == 3
    assert is_stored("s3://archive/x") and not is_stored("https://host/x.mp4") and not is_stored("x.mp4")


def test_what_is_not_there_is_said(bucket, tmp_path):
    with (
        pytest.raises(SourceError, match=r"s3://archive/none\.mp4 cannot be read: there is nothing"),
        copied("s3://archive/none.mp4"),
    ):
        pass
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(OutputError, match="s3://nobucket/x/x cannot be written"):
        Results("s3://nobucket/x").put(tmp_path / "x", "x")


def test_a_server_that_does_not_answer_is_said(bucket, tmp_path, monkeypatch):
    with monkeypatch.context() as elsewhere, socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and nobody listens
        elsewhere.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
        elsewhere.setenv("AWS_MAX_ATTEMPTS", "1")
        filesystem()
        with pytest.raises(SourceError, match="5 times; check the network") as caught, copied("s3://archive/1.mp4"):
            pass
    assert len(str(caught.value).splitlines()) == 1
    assert not list(Path("/tmp").glob("tracker-batch-*/1.mp4"))
