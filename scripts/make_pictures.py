"""Make the pictures of the README: a street full of people, tracked by `track --forecast`, as a frame and a short film.

    python scripts/make_pictures.py

Leaves docs/images/street.jpg and docs/images/street.webp. The people and the street are those of `track demo` (cut out
of `bus.jpg`, which Ultralytics ships under AGPL-3.0), in other coats; boxes, ids, trails and forecasts are what the
command draws.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tracker.boxes import iou
from tracker.config import Config
from tracker.jobs.demo import FPS, Actor, Scene, recoloured
from tracker.jobs.run import Output, run
from tracker.output.video_writer import VideoWriter
from tracker.video.source import Frame, open_source

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SECONDS, FORECAST_S = 9.0, 0.4
FILM_S = (2.0, 8.4)
FILM_SIZE, FILM_FPS, FILM_QUALITY = (640, 512), 12.5, 42


def crowd() -> Scene:
    """The demo's street with six other people on it."""
    scene = Scene()
    beige, black = scene.actors[0].sprite, scene.actors[1].sprite
    red = scene.actors[2].sprite
    green = scene.actors[3].sprite
    violet = recoloured(beige, 0.5, 0, 152, 108)
    rust = recoloured(black, 2.2, 40, 160, 165)
    teal = recoloured(black, 2.6, 50, 112, 122)
    scene.actors = (
        Actor(green, ((0, 400, 745), (9, 700, 745))),
        Actor(teal, ((0, 760, 760), (9, 330, 760))),
        Actor(violet, ((0, 900, 790), (9, 330, 784))),
        Actor(beige, ((0, 60, 805), (9, 700, 800))),
        Actor(rust, ((1.0, -80, 835), (9, 560, 835))),
        Actor(red, ((3.4, 880, 862), (9, 360, 862))),
    )
    return scene


def clearest(results: Path) -> int:
    """The frame number with the most tracks that overlap least."""
    rows = np.loadtxt(results, delimiter=",")
    worth = {}
    for frame in np.unique(rows[:, 0]).astype(int).tolist():
        left, top, width, height = rows[rows[:, 0] == frame, 2:6].T
        boxes = np.stack([left, top, left + width, top + height], axis=1).astype(np.float32)
        worth[frame] = len(boxes) - float(np.triu(iou(boxes, boxes), 1).sum())
    return max(worth, key=worth.__getitem__)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = crowd()
        clip = VideoWriter(folder / "street.mp4", FPS)
        for index in range(round(FPS * SECONDS)):
            image, _ = scene.render(index / FPS)
            clip.write(Frame(image, index + 1, index / FPS), None)
        clip.close()
        config = Config().override({"detector": {"classes": ["person"]}})
        (result,) = run([folder / "street.mp4"], config, Output(folder, "run", forecast_s=FORECAST_S))
        assert result.folder is not None
        with open_source(result.folder / "video.mp4") as source:
            frames = [frame.image for frame in source]
        still = frames[clearest(result.folder / "tracks.txt") - 1]
    cv2.imwrite(str(IMAGES / "street.jpg"), still, [cv2.IMWRITE_JPEG_QUALITY, 88])
    step = FPS / FILM_FPS
    chosen = [frames[round(k)] for k in np.arange(FILM_S[0] * FPS, FILM_S[1] * FPS, step)]
    film = [Image.fromarray(cv2.resize(f, FILM_SIZE, interpolation=cv2.INTER_AREA)[..., ::-1]) for f in chosen]
    target = IMAGES / "street.webp"
    settings = {"duration": 1000 / FILM_FPS, "loop": 0, "quality": FILM_QUALITY, "method": 4}
    film[0].save(target, save_all=True, append_images=film[1:], **settings)
    print(f"wrote {IMAGES / 'street.jpg'} and {target} ({target.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
