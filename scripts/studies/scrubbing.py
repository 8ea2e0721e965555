"""How fast somebody can drag along a run in `track view`, in headless Chromium.

    python scripts/studies/scrubbing.py RUN [--crowd] [--times 5]

The frame that is wanted goes on by 30 a second for three seconds, again and again; counted is how many pictures were
shown a second, with their boxes. Processor time per picture says what it takes where other work slows this machine
down: of the server, of the page's own thread, and of all processes together. --crowd: RUN is made, 100,000 rows of
2,000 objects in 1,000 frames. Needs Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

PER_S, SECONDS = 30, 3
DRAG = """async ([from, perSecond, seconds]) => {
  const { view, rows } = page, shown = new Set();
  const see = () => shown.add(view.shown);
  view.addEventListener("change", see);
  const begun = performance.now();
  await new Promise((done) => {
    const step = () => {
      const passed = (performance.now() - begun) / 1000;
      if (passed >= seconds) return done();
      view.set({ frame: Math.min(from + Math.floor(passed * perSecond), rows.frames), playing: false });
      requestAnimationFrame(step);
    };
    step();
  });
  view.removeEventListener("change", see);
  return shown.size;
}"""


def processor_s() -> dict[str, float]:
    """Seconds of the server, of the page's own thread, and of both with all of the browser's processes."""
    spent = {"server": 0.0, "page": 0.0, "all": 0.0}
    for process in psutil.Process().children(recursive=True):
        try:
            words, times = process.cmdline(), process.cpu_times()
            spent["all"] += times.user + times.system
            if "view" in words:
                spent["server"] += times.user + times.system
            if "--type=renderer" in words:
                spent["page"] += sum(t.user_time + t.system_time for t in process.threads() if t.id == process.pid)
        except psutil.NoSuchProcess:
            continue
    return spent


def crowd(folder: Path) -> None:
    """A run of 2,000 objects, 50 rows each."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    from helpers.crowded_runs import crowd, write_run, write_video

    folder.mkdir(parents=True, exist_ok=True)
    write_run(folder, crowd(2000, 50, 1000), 1000, str(write_video(folder / "crowd.mp4", 1000)))


def measured(page: Any, times: int) -> list[tuple[float, dict[str, float]]]:
    """Pictures a second, and milliseconds of processor time a picture, of each time."""
    found = []
    count = page.evaluate("() => page.rows.frames")
    for number in range(times):
        before = processor_s()
        begin = 1 + number * PER_S * SECONDS % max(count - PER_S * SECONDS, 1)
        shown = page.evaluate(DRAG, [begin, PER_S, SECONDS])
        after = processor_s()
        found.append((shown / SECONDS, {key: 1000 * (after[key] - before[key]) / max(shown, 1) for key in after}))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--crowd", action="store_true")
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    if given.crowd:
        crowd(given.run)
    words = [sys.executable, "-m", "tracker", "view", str(given.run)]
    server = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        address = re.search(r"http://\S+", server.stderr.readline())
        assert address is not None, "track view did not start"
        with sync_playwright() as driver:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            begun = time.monotonic()
            page.goto(address[0])
            page.wait_for_function("() => globalThis.page?.view?.shown > 0")
            first_s = time.monotonic() - begun
            page.wait_for_function("() => !page.doubting", timeout=120_000)
            found = measured(page, given.times)
            browser.close()
    finally:
        server.terminate()
    rates = [rate for rate, _ in found]
    spent = {key: statistics.median(one[key] for _, one in found) for key in ("server", "page", "all")}
    print(f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores; first picture {first_s:.2f} s")
    print(f"pictures a second: best {max(rates):.1f}, median {statistics.median(rates):.1f}")
    print("processor ms a picture, median: " + ", ".join(f"{key} {ms:.1f}" for key, ms in spent.items()))


if __name__ == "__main__":
    main()
