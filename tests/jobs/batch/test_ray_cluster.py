"""A batch on the machines of a Ray cluster: a real one on this machine, of which parts die."""

import csv
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from helpers.clips import crossing, pan
from helpers.commands import ended
from helpers.pool_tasks import Meeting, able
from helpers.ray_nodes import ENVIRONMENT, Cluster
from tracker.config import Config
from tracker.jobs.batch.pool import TaskDone, WorkerPool
from tracker.jobs.batch.ray_cluster import RayPool
from tracker.jobs.batch.sources import listed
from tracker.jobs.batch.tracking import TrackingPlan
from tracker.jobs.batch.videos import batch
from tracker.jobs.result_folder import Output
from tracker.system.files import read_yaml

PART_S = 12.5
FAST = ["--imgsz", "160", "--no-video", "--part", str(PART_S)]


def tables(project: Path) -> dict[str, bytes]:
    names = ("tracks.txt", "tracks.csv", "summary.csv")
    return {str(p.relative_to(project)): p.read_bytes() for name in names for p in project.rglob(name)}


def start(clips: Path, project: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tracker", "batch", clips, "--project", project, *FAST, *words]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(reached, process=None) -> None:
    end = time.monotonic() + 90
    while not reached():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_without_ray_it_is_said_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "x.mp4").touch()
    code, err = ended(["batch", str(tmp_path / "x.mp4"), "--project", str(tmp_path / "out"), "--ray", "auto"], capsys)
    assert code == 1 and err == "error: ray is not installed; run: pip install 'lstm-tracker[batch]'\n"


def test_an_address_at_which_there_is_no_cluster_is_said_at_once(tmp_path, capsys):
    pytest.importorskip("ray")
    words = ["batch", str(pan(tmp_path / "1.mp4", frames=2)), "--project", str(tmp_path / "out"), "--ray"]
    code, err = ended([*words, "127.0.0.1:1"], capsys)
    assert code == 2 and err.startswith("error: no Ray cluster answers at '127.0.0.1:1'; begin one with ray start")


@pytest.mark.slow
def test_what_a_dead_driver_process_and_machine_did_is_done_by_others(tmp_path):
    """The driver is killed and started again, then a process, then a machine; one of the videos is in parts."""
    pytest.importorskip("ray")
    (tmp_path / "clips").mkdir()
    for number in range(4):
        pan(tmp_path / "clips" / f"{number}.mp4", frames=50)
    (tmp_path / "clips" / "broken.mp4").write_bytes(b"no video\n" * 100)
    long = crossing(tmp_path / "clips" / "long.mp4", fps=2)
    project = tmp_path / "out"
    cluster = Cluster()

    def done() -> dict[Path, int]:
        """The results that are complete, and when they were."""
        return {
            p: p.stat().st_mtime_ns
            for p in project.glob("*/run.yaml")
            if "frames_per_s" in p.read_text().partition("result:")[2]
        }

    try:
        process = start(tmp_path / "clips", project, "--ray", cluster.address)
        wait_for(lambda: done() and cluster.workers(), process)
        process.kill()
        process.communicate()
        wait_for(lambda: not cluster.workers())  # theirs end with the driver
        before = done()
        process = start(tmp_path / "clips", project, "--ray", cluster.address)
        wait_for(lambda: len(done()) > len(before) and cluster.workers(), process)
        cluster.workers()[0].kill()
        wait_for(lambda: len(done()) > len(before) + 1 and cluster.workers(), process)
        cluster.kill_second_node()
        out, err = process.communicate(timeout=240)
    finally:
        cluster.close()
    assert process.returncode == 1, err
    assert "5 of 6 videos done" in out and err.splitlines()[-1].startswith("error: 1 of 6 videos failed"), err
    with (project / "batch.csv").open(newline="") as file:
        rows = {Path(row["source"]).name: row for row in csv.DictReader(file)}
    assert len(rows) == 6 and rows["broken.mp4"]["state"] == "failed"
    assert before.items() <= done().items(), "what was done is not done again"
    plan = TrackingPlan(
        Config().override({"detector": {"imgsz": 160}}), Output(tmp_path / "local", video=False), part_s=PART_S
    )
    batch(listed([str(tmp_path / "clips")]), plan, partial(WorkerPool, 1))
    assert tables(project) == tables(tmp_path / "local")
    assert "parts" in read_yaml(project / long.stem / "run.yaml")


@pytest.mark.slow
def test_tasks_share_a_gpu_by_fractions_of_it(tmp_path, monkeypatch):
    """On a node that says that it has one: who gets it, and when, is decided by what is said."""
    pytest.importorskip("ray")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    cluster = Cluster("--num-cpus=2 --num-gpus=1 --memory=4000000000", None)

    def met(share: float, waits_s: float) -> list[tuple[bool, str]]:
        folder = tmp_path / f"{share}"
        folder.mkdir()
        with RayPool(cluster.address, able, gpu=share) as pool:
            heard = list(pool.heard(Meeting(folder, name, waits_s=waits_s) for name in "ab"))
        return [event.result for event in heard if isinstance(event, TaskDone)]

    try:
        assert met(0.5, 60.0) == [(True, "0"), (True, "0")]
        assert met(0.6, 2.0) == [(False, "0"), (False, "0")]
    finally:
        cluster.close()
