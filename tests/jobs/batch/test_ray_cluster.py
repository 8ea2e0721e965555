"""A batch on the machines of a Ray cluster: a real one on this machine, of which parts die."""

import csv
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.clips import pan
from helpers.commands import ended
from helpers.ray_nodes import ENVIRONMENT, Cluster

FAST = ["--imgsz", "160", "--no-video"]


def tables(project: Path) -> dict[str, bytes]:
    names = ("tracks.txt", "tracks.csv", "summary.csv")
    return {str(p.relative_to(project)): p.read_bytes() for name in names for p in project.rglob(name)}


def start(clips: Path, project: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tracker", "batch", clips, "--project", project, *FAST, *words]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(reached, process) -> None:
    end = time.monotonic() + 90
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_without_ray_it_is_said_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, err = ended(["batch", "x.mp4", "--project", str(tmp_path / "out"), "--ray", "auto"], capsys)
    assert code == 1 and err == "error: ray is not installed; run: pip install 'lstm-tracker[batch]'\n"


def test_an_address_at_which_there_is_no_cluster_is_said_at_once(tmp_path, capsys):
    pytest.importorskip("ray")
    words = ["batch", str(pan(tmp_path / "1.mp4", frames=2)), "--project", str(tmp_path / "out"), "--ray"]
    code, err = ended([*words, "127.0.0.1:1"], capsys)
    assert code == 2 and err.startswith("error: no Ray cluster answers at '127.0.0.1:1'; begin one with ray start")


@pytest.mark.slow
def test_what_a_dead_process_and_a_dead_machine_did_is_done_by_others(tmp_path):
    pytest.importorskip("ray")
    (tmp_path / "clips").mkdir()
    for number in range(6):
        pan(tmp_path / "clips" / f"{number}.mp4", frames=60)
    (tmp_path / "clips" / "broken.mp4").write_bytes(b"no video\n" * 100)
    cluster = Cluster()
    try:
        process = start(tmp_path / "clips", tmp_path / "out", "--ray", cluster.address)
        wait_for(lambda: len(list((tmp_path / "out").glob("*/tracks.txt"))) >= 2 and cluster.workers(), process)
        cluster.workers()[0].kill()
        wait_for(lambda: len(list((tmp_path / "out").glob("*/tracks.txt"))) >= 3 and cluster.workers(), process)
        cluster.kill_second_node()
        out, err = process.communicate(timeout=240)
    finally:
        cluster.close()
    assert process.returncode == 1, err
    assert "6 of 7 videos done" in out and err.splitlines()[-1].startswith("error: 1 of 7 videos failed"), err
    with (tmp_path / "out" / "batch.csv").open(newline="") as file:
        rows = {Path(row["source"]).name: row for row in csv.DictReader(file)}
    assert len(rows) == 7 and rows["broken.mp4"]["state"] == "failed"
    process = start(tmp_path / "clips", tmp_path / "local", "--jobs", "1")
    process.communicate()
    assert tables(tmp_path / "out") == tables(tmp_path / "local")
