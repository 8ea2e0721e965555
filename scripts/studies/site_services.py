"""What runs beside the cameras of a site costs them: viewers of live pictures, a broker that is dead for a minute.

    python scripts/studies/site_services.py viewers CLIP
    python scripts/studies/site_services.py broker CLIP

The cores it takes for a frame tell more than frames/s where other work goes on.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from loopback import cameras
from options import Clip, Preset, Rate, study
from thread_times import LIBRARIES, spent
from tracker import Config, Site
from tracker.site.config import HttpConfig, PublishConfig, SiteConfig
from tracker.site.messages.message import END, of_visit


def measured(site: Site, seconds: float) -> str:
    """Frames/s of all cameras together, dropped frames and work over so long."""
    before, spent_s, begun = [camera.status() for camera in site.cameras.values()], spent(), time.monotonic()
    time.sleep(seconds)
    after, elapsed_s = [camera.status() for camera in site.cameras.values()], time.monotonic() - begun
    used_s = spent()
    used_s.subtract(spent_s)
    frames, dropped = (
        sum(getattr(b, what) - getattr(a, what) for a, b in zip(before, after, strict=True))
        for what in ("frames", "dropped")
    )
    cameras_s = sum(used_s.pop(kind, 0.0) for kind in (LIBRARIES, "read", "track"))
    others = ", ".join(f"{kind} {1000 * used / elapsed_s:.1f}" for kind, used in used_s.items() if used >= 0.01)
    return (
        f"{frames / elapsed_s:.2f} frames/s, {dropped} dropped, {1000 * cameras_s / max(1, frames):.1f} ms of a core "
        f"a frame in the cameras' threads; ms of a core a second in others: {others}"
    )


@contextmanager
def running(clip: Path, count: int, rate: float, config: str | None, **settings: Any) -> Iterator[tuple[Site, Path]]:
    """A site of loopback cameras that has settled, and its folder."""
    tracker = Config.load(config) if config else Config()
    with (
        TemporaryDirectory(prefix="site-study-", ignore_cleanup_errors=True) as name,
        cameras(clip, count, rate, 360) as urls,
    ):
        folder = Path(name)
        site = Site(replace(SiteConfig.of_sources(urls), project=folder, tracker=tracker, **settings))
        site.start()
        try:
            while not all(camera.newest for camera in site.cameras.values()):
                time.sleep(0.1)
            time.sleep(5)
            yield site, folder
        finally:
            site.stop()


def viewers(
    clip: Clip,
    count: Annotated[int, typer.Option("--viewers", help="How many.")] = 20,
    rate: Rate = 10.0,
    seconds: Annotated[float, typer.Option(help="Of each part.")] = 30.0,
    config: Preset = "edge",
) -> None:
    """Frames/s without viewers, with viewers of a live picture in a process of their own, and without them again."""
    port = free_port()
    words = [shutil.which("curl") or "curl", "-sN", "--parallel", "--parallel-immediate", "--parallel-max", str(count)]
    with running(clip, 2, rate, config, http=HttpConfig(bind=f"127.0.0.1:{port}")) as (site, _):
        names = list(site.cameras)
        for part in ("without", f"{count} viewers", "without"):
            urls = [f"http://127.0.0.1:{port}/cameras/{names[n % 2]}/stream.mjpeg" for n in range(count)]
            look = (
                subprocess.Popen([*words, *urls], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                if part != "without"
                else None
            )
            time.sleep(2)
            print(f"{part}: {measured(site, seconds)}", flush=True)
            if look is not None:
                look.kill()
                look.wait()
                time.sleep(8)  # until nothing is drawn any more


def broker(
    clip: Clip,
    rate: Rate = 10.0,
    seconds: Annotated[float, typer.Option(help="Of each part.")] = 60.0,
    config: Preset = "edge",
) -> None:
    """Debian's mosquitto there, dead, and there again: frames/s, and which ends arrive."""
    from paho.mqtt.client import CallbackAPIVersion, Client

    port, heard = free_port(), []
    words = [shutil.which("mosquitto", path="/usr/sbin:/usr/bin") or "mosquitto", "-p", str(port)]
    to = PublishConfig(to=(f"mqtt://127.0.0.1:{port}/site",))
    listener = Client(CallbackAPIVersion.VERSION2)
    listener.on_connect = lambda client, *_: client.subscribe("site/+/end", qos=1)
    listener.on_message = lambda _client, _data, said: heard.append(json.loads(said.payload)["message_id"])
    listener.reconnect_delay_set(1, 1)
    server = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    time.sleep(1)
    listener.connect("127.0.0.1", port)
    listener.loop_start()
    with running(clip, 2, rate, config, publish=to, ends_after_s=0.5) as (site, folder):
        told = site.subscribe(limit=10)
        print(f"there: {measured(site, seconds)}", flush=True)
        server.kill()
        server.wait()
        print(f"dead: {measured(site, seconds)}, {site.destinations()[0].waiting} messages wait", flush=True)
        on_disk = sum(path.stat().st_size for path in (folder / "state" / "publish").iterdir())
        server = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        print(f"again: {measured(site, seconds)}; the spool had {on_disk / 2**20:.2f} MiB on disk", flush=True)
        while site.destinations()[0].waiting:
            time.sleep(0.1)
        for camera in site.cameras.values():
            camera.stop()
            camera.join(5)
        time.sleep(3)
        told.close()
        ends = {json.loads(of_visit(END, one.camera, v).body)["message_id"] for one in told for v in one.ended}
        twice = len(heard) - len(set(heard))
        print(f"{len(ends)} ends, {len(ends - set(heard))} of them never arrived, {twice} arrived twice")
    server.kill()
    server.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    study(viewers, broker)
