"""`track serve` measured: against single runs, against processes, how many cameras it holds, and for long.

    python scripts/studies/site.py same CLIP           # four loopback cameras against four single runs: equal bytes?
    python scripts/studies/site.py cost CLIP           # one site of four against four processes of `track`
    python scripts/studies/site.py work CLIP            # processor time a frame, also where other work goes on
    python scripts/studies/site.py hold CLIP --cameras 8 --config edge
    python scripts/studies/site.py soak --minutes 360

What viewers and a dead broker cost is in `site_services.py`, what faults do in `site_faults.py`.

Cameras are those of `loopback.py`. Memory is the proportional set size, in which shared pages count once.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer

from loopback import cameras, encoded
from options import Cameras, Clip, Height, Preset, Rate, study
from thread_times import spent
from tracker import Config, Detections, Site, Tracker
from tracker.jobs.prefetch import set_torch_threads
from tracker.output.writers import CsvWriter
from tracker.site.config import SiteCamera, SiteConfig
from tracker.site.feed import LIVE
from tracker.site.intake import Intake
from tracker.site.looking import SharedDetector
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.structures import FEATURE_SIZE, Image
from tracker.video.repeats import marked
from tracker.video.source import Frame

MIB = 1 << 20


@contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="site-study-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def same(
    clip: Clip,
    seconds: Annotated[float, typer.Option(help="Of each camera.")] = 20.0,
    height: Height = 360,
    config: Preset = None,
) -> None:
    """Four loopback cameras in one site, and the frames that each tracked once more alone."""
    settings = Config.load(config) if config else Config()
    taken: dict[str, list[Frame]] = {}
    take = Intake.take

    def recorded(self: Intake) -> Frame | None:
        frame = take(self)
        if frame is not None:
            taken.setdefault(self._say.name, []).append(frame)
        return frame

    Intake.take = recorded  # type: ignore[method-assign]
    with scratch() as folder, cameras(clip, 4, 10.0, height) as urls:
        site = Site(replace(SiteConfig.of_sources(urls), project=folder / "site", tracker=settings))
        threading.Thread(target=lambda: (wait_for_frames(site), time.sleep(seconds), site.stop())).start()
        site.run()
        # without AVX-512 sums depend on the number of threads, in the last digit
        set_torch_threads(next(iter(site.cameras.values()))._detect.threads)
        for name in site.cameras:
            alone(taken[name], settings, folder / f"{name}.csv")
            together = b"".join(path.read_bytes() for path in sorted((folder / "site" / name).glob("*/tracks.csv")))
            equal = together == (folder / f"{name}.csv").read_bytes()
            lines = together.count(b"\n")
            print(
                f"{name}: {len(taken[name])} frames, {lines} lines, {'equal byte for byte' if equal else 'DIFFERENT'}"
            )


def wait_for_frames(site: Site) -> None:
    while not site.cameras or not all(camera.newest for camera in site.cameras.values()):
        time.sleep(0.1)


def alone(frames: Sequence[Frame], settings: Config, path: Path) -> None:
    """What a single run writes of these frames at these times."""
    tracker = Tracker(settings)
    smoother: FixedLagSmoother[Frame] = FixedLagSmoother(settings.bank.report_delay_s, settings.offline)
    tracks = None
    with closing(CsvWriter(path)) as table:
        for frame in marked(frames, settings.detector.skip_repeats):
            if not frame.repeated:
                found = tracker.detector([frame.image])[0] if tracker.due(frame.captured_s) else None
                tracks = tracker.update(frame.image, found, time_s=frame.captured_s, look=found is not None)
                tracks = replace(tracks, names=tracker.detector.names)
            for shown, known in smoother.push(frame, tracks, tracker.camera_motion, frame.repeated):
                table.write(shown, known)
        for shown, known in smoother.flush():
            table.write(shown, known)


def cost(
    clip: Clip,
    count: Annotated[int, typer.Option(help="Of sources.")] = 4,
    config: Preset = None,
    imgsz: Annotated[int, typer.Option(help="Side that the detector sees.")] = 640,
) -> None:
    """Frames/s and memory of one site of recordings, as fast as it goes, against as many processes of `track`."""
    with scratch() as folder:
        settings = folder / "settings.yaml"
        base = Config.load(config) if config else Config()
        text = yaml_of(base.override({"detector": {"imgsz": imgsz}}))
        settings.write_text(text)
        clips = [folder / f"{n}.mp4" for n in range(count)]
        for path in clips:
            shutil.copy(clip, path)
        track = [sys.executable, "-m", "tracker"]
        serve = [*track, "serve", *map(str, clips), "--config", str(settings), "--project", str(folder / "site")]
        runs = [
            [*track, str(path), "--config", str(settings), "--no-video", "--quiet", "--project", str(folder / "runs")]
            for path in clips
        ]
        for name, commands in (("one site", [serve]), (f"{count} processes", runs)):
            begun = time.monotonic()
            seconds, peak = watched(commands)
            wall_s = time.monotonic() - begun
            tables = folder.glob("site/*/*/tracks.csv" if name == "one site" else "runs/*/tracks.csv")
            frames = sum(max(int(row["frame"]) for row in csv.DictReader(path.open())) for path in tables)
            print(f"{name}: {frames} frames, {frames / wall_s:.1f} frames/s, {seconds:.1f} s of cores, ", end="")
            print(f"{peak / MIB:.0f} MiB at most")


def yaml_of(config: Config) -> str:
    import yaml

    return str(yaml.safe_dump(config.to_dict()))


def watched(commands: Sequence[Sequence[str]]) -> tuple[float, int]:
    """Run commands at once: seconds of cores, and bytes of memory together at most."""
    processes = [psutil.Popen(command, stderr=subprocess.DEVNULL) for command in commands]
    peak, spent = 0, dict.fromkeys((process.pid for process in processes), 0.0)
    while any(process.poll() is None for process in processes):
        now = 0
        for process in processes:
            try:
                now += process.memory_full_info().pss
                times = process.cpu_times()
                spent[process.pid] = times.user + times.system
            except psutil.Error:
                continue
        peak = max(peak, now)
        time.sleep(0.2)
    assert all(process.returncode == 0 for process in processes)
    return sum(spent.values()), peak


def work(
    clip: Clip,
    count: Cameras = 2,
    rate: Rate = 10.0,
    height: Height = 1080,
    imgsz: Annotated[int, typer.Option(help="Side that the detector sees.")] = 640,
    every: Annotated[str, typer.Option(help="As --detect-every.")] = "auto",
    config: Preset = "edge",
) -> None:
    """Processor time of a frame by threads, of recordings read as fast as it goes: other work does not drop frames."""
    base = Config.load(config) if config else Config()
    settings = base.override({"detector": {"imgsz": imgsz, "every": every}})
    path = encoded(clip, rate, height)
    own = {f"c{n}": SiteCamera(source=str(path)) for n in range(count)}
    with scratch() as folder:
        site = Site(SiteConfig(cameras=own, project=folder, tracker=settings))
        site.start()
        cameras = site.cameras.values()

        def now() -> Counter[str]:
            done = Counter({what: sum(getattr(c.status(), what) for c in cameras) for what in ("frames", "looked_at")})
            return done + spent()

        while min(camera.status().frames for camera in cameras) < rate:
            time.sleep(0.02)
        before = now()
        while all(camera.status().state == LIVE for camera in cameras):
            after = now()
            time.sleep(0.3)
        site.stop()
    done = {what: after[what] - before[what] for what in after}
    frames, looks = done.pop("frames"), done.pop("looked_at")
    print(
        f"{frames:.0f} frames, {looks:.0f} looks, {1000 * sum(done.values()) / frames:.1f} ms of a core a frame: ",
        end="",
    )
    print(
        ", ".join(
            f"{what} {1000 * seconds / frames:.1f}" for what, seconds in sorted(done.items(), key=lambda x: -x[1])
        )
    )


def hold(
    clip: Clip,
    count: Cameras = 8,
    rate: Rate = 10.0,
    height: Height = 1080,
    seconds: Annotated[float, typer.Option(help="To measure.")] = 60.0,
    config: Preset = "edge",
) -> None:
    """So many cameras in real time: lag, dropped frames, looks a second, load, memory."""
    settings = Config.load(config) if config else Config()
    with scratch() as folder, cameras(clip, count, rate, height) as urls:
        site = Site(replace(SiteConfig.of_sources(urls), project=folder, tracker=settings))
        site.start()
        wait_for_frames(site)
        time.sleep(10)
        me, before = psutil.Process(), [camera.status() for camera in site.cameras.values()]
        cores, threads, lags = sum(me.cpu_times()[:2]), spent(), []
        for _ in range(round(seconds)):
            time.sleep(1)
            lags.append([camera.status().lag_s for camera in site.cameras.values()])
        after = [camera.status() for camera in site.cameras.values()]
        used, threads = (sum(me.cpu_times()[:2]) - cores) / seconds, spent() - threads
        memory = me.memory_full_info().pss
        site.stop()
        for a, b, lag_s in zip(before, after, np.array(lags).T, strict=True):
            print(
                f"{a.name}: {(b.frames - a.frames) / seconds:.1f} frames/s, {b.dropped - a.dropped} dropped, "
                f"{(b.looked_at - a.looked_at) / seconds:.1f} looks/s, longest lag {np.median(lag_s):.2f} s "
                f"(median of seconds), {lag_s.max():.2f} s (worst), {b.present} present"
            )
        shares = ", ".join(f"{what} {cpu_s / seconds:.2f}" for what, cpu_s in threads.most_common())
        print(f"{used:.2f} cores ({shares}), {memory / MIB:.0f} MiB")


class Walkers:
    """A simulated camera: people walk through it for ever; what is seen of them stands in the picture's place."""

    EACH_S, LONG_S = 20.0, 60.0  # one comes so often, and walks for so long

    def __init__(self, number: int, rate: float, begin_s: float, end_s: float) -> None:
        self._number, self._rate, self._begin_s, self._end_s = number, rate, begin_s, end_s

    def __iter__(self) -> Iterator[tuple[Image, float]]:
        for n in range(round((self._end_s - self._begin_s) * self._rate)):
            image = np.zeros((48, 64, 3), np.uint8)
            image.reshape(-1)[:8] = np.array([n, self._number], np.int32).view(np.uint8)
            yield image, self._begin_s + n / self._rate


def simulated(rate: float, seed: int = 0) -> Callable[[SharedDetector, Image], Detections]:
    """What looks at such pictures: noisy boxes and embeddings of who walks there."""

    def look(_: SharedDetector, image: Image) -> Detections:
        n, number = image.reshape(-1)[:8].copy().view(np.int32).tolist()
        now_s, rng = n / rate, np.random.default_rng((seed, number, n))
        first = max(0, int((now_s - Walkers.LONG_S) // Walkers.EACH_S) + 1)
        people = np.arange(first, int(now_s // Walkers.EACH_S) + 1)
        along = (now_s - people * Walkers.EACH_S) / Walkers.LONG_S
        left, top = 1800 * along, 300 + 97 * (people % 5)
        boxes = np.stack([left, top, left + 80, top + 240], axis=1) + rng.normal(0, 2, (len(people), 4))
        looks = [np.random.default_rng((7, number, int(p))).normal(size=FEATURE_SIZE) for p in people]
        features = np.array(looks).reshape(-1, FEATURE_SIZE)
        features += rng.normal(0, 0.3, features.shape)
        return Detections(boxes, np.full(len(people), 0.9), features=features, names={0: "person"})

    return look


def soak(
    minutes: Annotated[float, typer.Option(help="How long.")] = 360.0,
    count: Cameras = 8,
    rate: Rate = 5.0,
    keep: Annotated[float, typer.Option(help="Days that are kept.")] = 0.25,
) -> None:
    """Simulated cameras as fast as it goes: memory, descriptors, threads and files over time."""
    SharedDetector.__call__ = simulated(rate)  # type: ignore[method-assign,assignment]
    now_s = time.time()
    own = {f"c{n}": SiteCamera(source=Walkers(n, rate, now_s, now_s + 365 * 86_400)) for n in range(count)}
    with scratch() as folder:
        site = Site(SiteConfig(cameras=own, project=folder, keep_days=keep))
        site.start()
        me, begun = psutil.Process(), time.monotonic()
        spent_s, before = sum(me.cpu_times()[:2]), 0
        head = "minutes  video hours  frames/s  ms of a core each     MiB  descriptors  threads  files"
        print(f"{head}  hours kept  MiB kept")
        while time.monotonic() - begun < 60 * minutes:
            time.sleep(min(60.0, 6 * minutes))
            site.prune()
            frames = sum(camera.status().frames for camera in site.cameras.values())
            files = {}
            for path in folder.rglob("*"):
                with suppress(FileNotFoundError):  # one that is being replaced
                    files[path] = path.stat().st_size if path.is_file() else 0
            on_disk = sum(files.values()) / MIB
            elapsed_s = time.monotonic() - begun
            each_ms = 1000 * (sum(me.cpu_times()[:2]) - spent_s) / max(1, frames - before)
            spent_s, before = sum(me.cpu_times()[:2]), frames
            print(
                f"{elapsed_s / 60:7.1f}  {frames / rate / 3600:11.1f}  {frames / elapsed_s:8.1f}  {each_ms:17.2f}  "
                f"{me.memory_info().rss / MIB:6.1f}  {me.num_fds():11d}  {me.num_threads():7d}  "
                f"{sum(map(bool, files.values())):5d}  {len(list(folder.glob('*/*T*Z'))):10d}  {on_disk:8.1f}",
                flush=True,
            )
        site.stop()


if __name__ == "__main__":
    study(same, cost, work, hold, soak)
