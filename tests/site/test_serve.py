"""`track serve` as a process: what it leaves, and how it ends."""

import csv
import json
import random
import signal
import socket
import time
from pathlib import Path

import pytest
import yaml

from faults.processes import begin
from helpers.cameras import cameras

SETTINGS = {"detector": {"imgsz": 192}, "device": "cpu"}


def serve(tmp_path, **site):
    """A process that serves these cameras into `out`."""
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump({"config": SETTINGS, "project": "out", **site}))
    return begin("serve", file, temporary=tmp_path / "temporary")


def rows(folder: Path, least: int = 1, within_s: float = 120.0):
    """The rows of a camera, waited for."""
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        text = "".join(path.read_text() for path in sorted(folder.glob("*/tracks.csv")))
        found = list(csv.DictReader(text.rpartition("\n")[0].splitlines()))
        if len(found) >= least:
            return found
        time.sleep(0.1)
    raise AssertionError(f"no {least} rows in {folder}")


def test_sigterm_ends_it_with_code_0_though_neither_a_camera_nor_a_destination_ever_answers(tmp_path):
    with cameras() as server, socket.create_server(("127.0.0.1", 0)) as mute:
        door, silent = f"http://bob:hunter2@127.0.0.1:{server.port}/door", f"127.0.0.1:{mute.getsockname()[1]}"
        to = [f"mqtt://bob:hunter2@{silent}/x", f"http://bob:hunter2@{silent}/hook", "redis://127.0.0.1:9/0"]
        process = serve(tmp_path, cameras={"door": door, "mute": f"rtsp://bob:hunter2@{silent}/"}, publish=to)
        try:
            seen = rows(tmp_path / "out" / "door", 10)
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
            took_s = time.monotonic() - begun
        finally:
            process.kill()
    assert process.returncode == 0
    assert took_s < 15, "where the camera or the destination is waited for it takes longer"
    assert len(rows(tmp_path / "out" / "door")) >= len(seen)
    assert "hunter2" not in said
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "site.yaml"]
    assert not [path for path in left if b"hunter2" in path.read_bytes()]
    assert (tmp_path / "out" / "state" / "door.safetensors").is_file()


@pytest.mark.faults  # what is on disk at a kill is tried in test_restart.py, in a second
def test_after_kills_it_goes_on_with_the_same_ids_and_no_row_of_a_frame_that_was_tracked_is_lost(tmp_path):
    rng, out = random.Random(0), tmp_path / "out" / "door"
    waiting = tmp_path / "out" / "state" / "door.unsettled.jsonl"
    with cameras() as server:
        site = {"cameras": {"door": f"http://127.0.0.1:{server.port}/door"}}
        process = serve(tmp_path, **site)
        before = rows(out, 40)
        for _ in range(3):
            time.sleep(rng.uniform(0, 3))
            process.kill()
            killed_s = time.time()
            process.communicate()
            written = rows(out)  # whole ones: csv would tell of a torn one in the middle
            last = json.loads(waiting.read_text().split("\n")[-2])["frame"][0]
            process = serve(tmp_path, **site)
            after = rows(out, len(written) + 60)
            assert after[: len(written)] == written
            before = [row for row in after if float(row["time_s"]) <= killed_s]
            assert int(before[-1]["frame"]) == last, "somebody is in every frame"
            assert len({(row["frame"], row["id"]) for row in after}) == len(after)
            new = after[len(before) :]
            assert float(new[0]["time_s"]) > float(before[-1]["time_s"])
            assert int(new[0]["frame"]) > int(before[-1]["frame"])
            assert {row["id"] for row in new} <= {row["id"] for row in before}, "known by their looks, after seconds"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
