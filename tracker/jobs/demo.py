"""A short clip whose truth is known: people cut out of two photographs walk through a street.

The photographs are `bus.jpg` and `zidane.jpg`, which Ultralytics ships (AGPL-3.0); the outlines of the people were
drawn by hand (`assets/demo_outlines.json`). The scene is the street of `bus.jpg` without its people, in its pixels:
positions are pixels of that photograph, and the height of a person follows from where the feet are, by the
photograph's own perspective. A poster stands on the pavement; people who pass behind it are occluded.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.config import PACKAGE, Config
from tracker.errors import OutputError
from tracker.jobs.interruption import pass_on
from tracker.output.video_writer import VideoWriter
from tracker.structures import Floats, Image, Tracks
from tracker.system.files import replace_text
from tracker.system.images import read_image
from tracker.video.source import Frame

if TYPE_CHECKING:
    from tracker.jobs.run import Progress, SourceResult

FPS = 25
SECONDS = 10.0
SIZE = (800, 640)  # width and height of the clip in pixels
NAME = "demo"
LEAST_VISIBLE = 0.1  # objects of which less is to be seen are not in the truth
LEAST_SIZE = 8  # px

Rows = NDArray[np.float64]

_HORIZON = 490.4  # y of the photograph; a person whose feet are at y is _HEIGHT * (y - _HORIZON) px tall
_HEIGHT = 1.225
_HIP = 0.45  # of the height; what is below swings
_STRIDE = 0.42  # of the height
_SUN = (-0.95, 0.24)  # where the shadow of a head falls, in heights from the feet, as the bollards' in the photograph
_ZOOM = SIZE[0] / 700
_POSTER = (212.0, 840.0)  # where it stands
_POSTER_SIZE = (268, 545)


@dataclass(frozen=True)
class _Sprite:
    """A cut-out: colours multiplied by their opacity, and where in it the person stands and how tall it is."""

    pixels: NDArray[np.uint8]  # (H, W, 4) BGR + opacity
    feet: tuple[float, float]
    height: float


@dataclass(frozen=True)
class Actor:
    """A person with a path: seconds, x and y of the feet in the photograph; straight from each point to the next."""

    sprite: _Sprite
    path: tuple[tuple[float, float, float], ...]

    def at(self, time_s: float) -> tuple[float, float, float, float]:
        """x, y, distance walked so far, direction (1 to the right, -1 to the left)."""
        times, xs, ys = np.array(self.path).T
        x, y = np.interp(time_s, times, xs), np.interp(time_s, times, ys)
        leg = int(np.clip(np.searchsorted(times, time_s) - 1, 0, len(times) - 2))
        steps = np.diff(xs)
        walked = np.abs(steps[:leg]).sum() + abs(x - xs[leg])
        last = np.flatnonzero(steps[: leg + 1])[-1]  # one that waits faces where it went
        direction = np.sign(steps[last])
        return float(x), float(y), float(walked), float(direction)


def make_clip(folder: Path) -> Path:
    """Render the clip into `folder`, a sequence in MOTChallenge's layout with `demo.mp4`; returns the video's path.

    Every run gives the same pixels and the same truth. `gt/gt.txt` holds the box of what lies within the frame, and
    how much of the person is to be seen, from the opacity of the cut-outs themselves.

    Raises:
        OutputError: the folder cannot be written, or holds a sequence that is not this one.
    """
    info = (
        f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate={FPS}\nseqLength={round(FPS * SECONDS)}\n"
        f"imWidth={SIZE[0]}\nimHeight={SIZE[1]}\nimExt=.jpg\n"
    )
    try:
        _require_own(folder, info)
        (folder / "gt").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}); give another folder with --out") from error
    replace_text(folder / "seqinfo.ini", info)  # first: by it a later demo knows the folder as its own
    video = VideoWriter(folder / f"{NAME}.mp4", FPS, encoder={"preset": "superfast", "crf": "18"})
    lines = []
    none = np.zeros(0, np.int64)
    empty = np.zeros((0, 4), np.float32)
    nobody = Tracks(none, empty, empty[:, 0], none, none, none, none, 0.0, 1 / FPS)  # nothing is drawn
    for number, (image, rows) in enumerate(frames(), 1):
        video.write(Frame(image, number, (number - 1) / FPS), nobody)
        for i, left, top, width, height, visible in rows:
            lines.append(f"{number},{i:.0f},{left:.2f},{top:.2f},{width:.2f},{height:.2f},1,1,{visible:.3f}\n")
    video.close()
    replace_text(folder / "gt" / "gt.txt", "".join(lines))
    return video.path


def _require_own(folder: Path, info: str) -> None:
    """
    Raises:
        OutputError: files of the demo's names are there, and the `seqinfo.ini` beside them is not the demo's.
    """
    seqinfo = folder / "seqinfo.ini"
    if seqinfo.is_file() and not seqinfo.is_symlink() and seqinfo.read_bytes() == info.encode():
        return
    for path in (folder / f"{NAME}.mp4", folder / "gt" / "gt.txt", seqinfo):
        if path.is_symlink() or path.exists():
            raise OutputError(f"{path} is there, and no demo made it; give another folder with --out")


def track_clip(
    folder: Path, device: str = "auto", progress: Callable[[Progress], None] = lambda _: None
) -> tuple[SourceResult, dict[str, float]]:
    """Detect and track the people of `make_clip`'s clip in `folder` with the embedded weights, into `folder/tracked`.

    Returns:
        What `tracker.jobs.run.run` says of it, and the scores against the truth: HOTA, IDF1, IDSW, ...
        (`tracker.evaluation.tracking`).
    """
    from tracker.evaluation.tracking import score
    from tracker.jobs.run import Output, run

    config = Config().override({"detector": {"classes": ["person"]}})
    (result,) = run(
        [folder / f"{NAME}.mp4"], config, Output(folder, "tracked", exist_ok=True), device=device, progress=progress
    )
    if result.interrupted:
        pass_on(result.signal)
    if result.error is not None or result.folder is None:
        raise result.error or OutputError(f"{folder} holds no result; give another folder with --out")
    with tempfile.TemporaryDirectory(prefix="tracker-demo-") as results:
        shutil.copy(result.folder / "tracks.txt", Path(results) / f"{folder.resolve().name}.txt")
        return result, score(folder, results)["combined"]


def frames() -> Iterator[tuple[Image, Rows]]:
    """The clip: images (640, 800, 3) BGR, and truth (N, 6) of id, left, top, width, height, visible share."""
    scene = Scene()
    for index in range(round(FPS * SECONDS)):
        yield scene.render(index / FPS)


class Scene:
    def __init__(self) -> None:
        from tracker.detection.yolo import ultralytics

        photos = ultralytics("utils").ASSETS
        street, stadium = (read_image(photos / name) for name in ("bus.jpg", "zidane.jpg"))
        outlines = json.loads((PACKAGE / "assets" / "demo_outlines.json").read_text(encoding="utf-8"))
        beige = _cut(street, outlines["beige coat"], (128, 898), 499)
        black = _cut(street, outlines["black coat"], (285, 858), 450)
        self.actors = (
            Actor(beige, ((0, 560, 825), (3.2, 190, 830), (4.0, 190, 830), (9.2, 690, 815), (10, 770, 815))),
            Actor(black, ((0.3, -100, 885), (5.6, 850, 880), (7.0, 850, 875), (10, 480, 880))),
            Actor(recoloured(beige, 0.62, 0, 122, 138), ((1.8, 840, 775), (10, 130, 780))),
            Actor(recoloured(black, 2.4, 50, 130, 140), ((0, 380, 757), (10, 720, 752))),
            Actor(_close_up(stadium, outlines["suit"]), ((2.0, -230, 1306), (5.0, 1000, 1306))),
            Actor(recoloured(beige, 0.5, 0, 158, 146), ((5.9, 860, 900), (10, 230, 902))),
        )
        people = [outlines["beige coat"], outlines["black coat"], *outlines["passers-by"]]
        self.street = _without(street, people)
        self.poster = _poster(stadium)

    def render(self, time_s: float) -> tuple[Image, Rows]:
        """The picture, and the truth's (N, 6) rows, at a time."""
        view = _view(time_s)
        image = cv2.warpAffine(self.street, view, SIZE, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        canvas = image.astype(np.float32)
        states = [(actor.sprite, *actor.at(time_s)) for actor in self.actors]
        for sprite, x, y, _, side in states:
            _shade(canvas, sprite, view, (x, y), _tall(y), side)
        _shade(canvas, self.poster, view, _POSTER, self.poster.height, 1)
        layers = [
            (y, number, _walking(sprite, view, x, y, walked, side))
            for number, (sprite, x, y, walked, side) in enumerate(states, 1)
        ]
        layers.append((_POSTER[1], 0, _standing(self.poster, view, _POSTER)))
        return _composed(canvas, [(number, layer) for _, number, layer in sorted(layers, key=lambda item: item[:2])])


@dataclass(frozen=True)
class _Layer:
    """Colours multiplied by opacity (H, W, 3), and opacity (H, W), in [0, 1], for an area of the picture."""

    area: tuple[slice, slice]
    colours: Floats
    opacity: Floats

    @classmethod
    def of(cls, pixels: NDArray[np.uint8], left: int, top: int) -> _Layer:
        """From (H, W, 4) pixels whose corner is at left, top."""
        area = slice(top, top + pixels.shape[0]), slice(left, left + pixels.shape[1])
        values = pixels.astype(np.float32) / np.float32(255)
        return cls(area, values[..., :3], values[..., 3])


def _composed(canvas: Floats, layers: list[tuple[int, _Layer]]) -> tuple[Image, Rows]:
    """Numbered layers, the farthest first, onto the canvas; what each still shows at the end is the truth."""
    clear = np.ones(canvas.shape[:2], np.float32)
    rows = []
    for number, layer in reversed(layers):
        solid = layer.opacity > 0.5
        if number and solid.any():
            left, top, width, height = cv2.boundingRect(solid.astype(np.uint8))
            visible = float((clear[layer.area] * solid).sum() / solid.sum())
            if visible >= LEAST_VISIBLE and min(width, height) >= LEAST_SIZE:
                rows.append((number, left + layer.area[1].start, top + layer.area[0].start, width, height, visible))
        clear[layer.area] *= 1 - layer.opacity
    for _, layer in layers:
        canvas[layer.area] *= 1 - layer.opacity[..., None]
        canvas[layer.area] += layer.colours * 255
    return np.asarray(cv2.convertScaleAbs(canvas), np.uint8), np.array(sorted(rows), np.float64).reshape(-1, 6)


def _tall(y: float) -> float:
    """Height in the photograph of a person whose feet are at y."""
    return _HEIGHT * (y - _HORIZON)


def _view(time_s: float) -> NDArray[np.float64]:
    """(2, 3) photograph -> clip: a slow pan with the small unrest of a hand."""
    left = 37 - 14 * np.cos(2 * np.pi * time_s / 14) + 0.5 * np.sin(7.1 * time_s) + 0.4 * np.sin(11.3 * time_s + 1)
    top = 338 + 6 * np.sin(2 * np.pi * time_s / 9) + 0.5 * np.sin(8.3 * time_s + 2)
    return np.array([[_ZOOM, 0, -_ZOOM * left], [0, _ZOOM, -_ZOOM * top]])


def _walking(sprite: _Sprite, view: NDArray[np.float64], x: float, y: float, walked: float, side: float) -> _Layer:
    """The person in stride: the legs open and close, the body bobs and sways with the distance walked."""
    tall = _tall(y)
    scale = _ZOOM * tall / sprite.height
    phase = np.pi * walked / (_STRIDE * tall)
    centre = view[:, :2] @ (x, y) + view[:, 2] - (0, 0.012 * tall * _ZOOM * abs(np.sin(phase)))
    reach = scale * 0.6 * max(sprite.pixels.shape[1], 0.5 * sprite.height)
    left, right = (int(np.clip(centre[0] + d * reach, 0, SIZE[0])) for d in (-1, 1))
    top = int(np.clip(centre[1] - sprite.feet[1] * scale - 4, 0, SIZE[1]))
    bottom = int(np.clip(centre[1] + 0.1 * tall * _ZOOM, 0, SIZE[1]))
    if right <= left or bottom <= top:
        return _Layer.of(np.zeros((0, 0, 4), np.uint8), 0, 0)
    columns, rows = np.meshgrid(np.arange(left, right, dtype=np.float32), np.arange(top, bottom, dtype=np.float32))
    up = (rows - np.float32(centre[1])) / np.float32(scale)  # in the sprite's pixels, negative above the feet
    across = np.float32(side / scale) * (columns - np.float32(centre[0]))
    across -= np.float32(0.006 * np.sin(phase)) * (up + np.float32(sprite.height * _HIP))
    below = np.clip(1 + up / np.float32(_HIP * sprite.height), 0, 1)  # 0 at the hip, 1 at the feet
    across /= 1 - below * np.float32(0.55 * (1 - abs(np.cos(phase))))
    pixels = cv2.remap(
        sprite.pixels, across + np.float32(sprite.feet[0]), up + np.float32(sprite.feet[1]), cv2.INTER_LINEAR
    )
    return _Layer.of(np.asarray(pixels, np.uint8), left, top)


def _standing(sprite: _Sprite, view: NDArray[np.float64], place: tuple[float, float]) -> _Layer:
    """A flat thing of the photograph's scale with its foot at `place`."""
    corner = view[:, :2] @ (np.array(place) - sprite.feet) + view[:, 2]
    left, top = np.maximum(np.floor(corner).astype(int), 0)
    height, width = sprite.pixels.shape[:2]
    right, bottom = np.minimum(np.ceil(corner + np.array([width, height]) * _ZOOM).astype(int), SIZE)
    matrix = np.column_stack([view[:, :2], corner - (left, top)])
    return _Layer.of(
        np.asarray(cv2.warpAffine(sprite.pixels, matrix, (right - left, bottom - top)), np.uint8), left, top
    )


def _shade(
    canvas: Floats, sprite: _Sprite, view: NDArray[np.float64], place: tuple[float, float], tall: float, side: float
) -> None:
    """Darken the ground where the shadow of what stands at `place` falls."""
    unit = _ZOOM * tall / sprite.height
    matrix = np.array([[side * unit, -_SUN[0] * unit], [0, -_SUN[1] * unit]])  # up becomes the shadow's direction
    foot = view[:, :2] @ place + view[:, 2]
    corners = (np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * sprite.pixels.shape[1::-1] - sprite.feet) @ matrix.T + foot
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int) - 8, 0, SIZE)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 8, 0, SIZE)
    if right <= left or bottom <= top:
        return
    offset = foot - (left, top) - matrix @ sprite.feet
    shadow = cv2.warpAffine(
        sprite.pixels[..., 3], np.column_stack([matrix, offset]), (int(right - left), int(bottom - top))
    )
    soft = cv2.GaussianBlur(shadow, (0, 0), 2.5).astype(np.float32)[..., None] / 255
    canvas[top:bottom, left:right] *= 1 - soft * np.array([0.50, 0.56, 0.60], np.float32)  # the sky's light stays


def _cut(photo: Image, outline: Any, feet: tuple[float, float], height: float) -> _Sprite:
    """The person within `outline` (points x, y), with a soft edge."""
    points = np.array(outline, np.int32)
    left, top, width, tall = cv2.boundingRect(points)
    shape = np.zeros(photo.shape[:2], np.float32)
    cv2.fillPoly(shape, [points], 1.0, cv2.LINE_AA)
    opacity = np.asarray(cv2.GaussianBlur(cv2.erode(shape, np.ones((3, 3), np.uint8)), (0, 0), 1.0))
    area = (slice(max(0, top - 4), top + tall + 4), slice(max(0, left - 4), left + width + 4))
    pixels = np.dstack([photo[area] * opacity[area][..., None], opacity[area] * 255])
    return _Sprite(
        np.clip(pixels + 0.5, 0, 255).astype(np.uint8), (feet[0] - area[1].start, feet[1] - area[0].start), height
    )


def _close_up(photo: Image, outline: Any) -> _Sprite:
    """The man in the suit: his photograph ends at the hip; the black of his suit goes on below, out of focus."""
    cut = _cut(photo, outline, (930, 1610), 1690)
    body, hem = cut.pixels[:570], cut.pixels[570:-6]
    longer = cv2.resize(hem, (hem.shape[1], 360), interpolation=cv2.INTER_LINEAR)
    whole = cv2.GaussianBlur(np.vstack([body, longer]), (0, 0), 2.2).astype(np.float32)
    sunlit = whole[..., :3] * (1.1, 1.15, 1.2) + 0.05 * whole[..., 3:]
    whole[..., :3] = np.minimum(sunlit, whole[..., 3:])
    return _Sprite(whole.astype(np.uint8), cut.feet, cut.height)


def recoloured(sprite: _Sprite, gain: float, lift: float, red: float, yellow: float) -> _Sprite:
    """Another coat and shirt: CIELAB's lightness is `gain` times the old plus `lift`, its a and b are given.

    Skin, hair and trousers stay: the coat is what is bright (or, where `gain` is above 1, dark) and has little colour
    between shoulders and knees, the shirt what is very red there.
    """
    opacity = sprite.pixels[..., 3:].astype(np.float32) / 255
    plain = np.clip(sprite.pixels[..., :3] / np.maximum(opacity, 1e-3), 0, 255).astype(np.uint8)
    lab = cv2.cvtColor(plain, cv2.COLOR_BGR2LAB).astype(np.float32)
    light, a, b = cv2.split(cv2.GaussianBlur(lab, (0, 0), 1.5))
    down = np.arange(len(lab))[:, None] / sprite.height
    coat = (light < 75) & (b > 110) if gain > 1 else (light > 85) & (b > 128)
    cloth = ((coat & (abs(a - 130) < 14)) | (a > 155)) & (down > 0.14) & (down < 0.66)
    whole = cv2.morphologyEx(cloth.astype(np.float32), cv2.MORPH_OPEN, np.ones((5, 5)))
    mask = cv2.GaussianBlur(whole, (0, 0), 1.2)[..., None]
    new = np.dstack([np.clip(gain * lab[..., 0] + lift, 0, 255), np.full_like(light, red), np.full_like(light, yellow)])
    coloured = cv2.cvtColor((lab + mask * (new - lab)).astype(np.uint8), cv2.COLOR_LAB2BGR)
    return _Sprite(np.dstack([coloured * opacity, opacity * 255]).astype(np.uint8), sprite.feet, sprite.height)


def _without(photo: Image, outlines: list[Any]) -> Image:
    """The photograph without the people within `outlines`: pavement from beside, the rest grown from the edges."""
    people = np.zeros(photo.shape[:2], np.uint8)
    for outline in outlines:
        cv2.fillPoly(people, [np.array(outline, np.int32)], 255)
    hole = np.asarray(cv2.dilate(people, np.ones((9, 9), np.uint8)))
    grown = cv2.inpaint(photo, hole, 3, cv2.INPAINT_TELEA).astype(np.float32)
    pavement = grown.copy()
    pavement[772:925, :350] = photo[772:925, 300:650]
    pavement[745:930, 640:] = photo[745:930, 450:620]
    hole[:772] = 0
    soft = cv2.GaussianBlur(hole.astype(np.float32) / 255, (0, 0), 3)[..., None]
    return np.asarray(grown + soft * (pavement - grown)).astype(np.uint8)


def _poster(photo: Image) -> _Sprite:
    """A city-light poster: lights of the stadium, with tracks drawn through them."""
    width, height = _POSTER_SIZE
    scale = 2  # drawn larger for smooth lines
    board = np.zeros((height * scale, width * scale, 4), np.uint8)
    panel = board[: (height - 26) * scale]
    panel[:] = (54, 52, 50, 255)
    for x in (26, width - 26 - 16):
        board[(height - 26) * scale :, x * scale : (x + 16) * scale] = (44, 42, 40, 255)
    cv2.rectangle(board, (0, 0), (panel.shape[1] - 1, panel.shape[0] - 1), (96, 94, 92, 255), 3)
    window = panel[14 * scale : -14 * scale, 14 * scale : -14 * scale, :3]
    lights = cv2.resize(photo[:330, 20:171], window.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    inner = cv2.convertScaleAbs(cv2.GaussianBlur(lights, (0, 0), 6), alpha=1.35, beta=12)
    rows, columns = inner.shape[:2]
    t = np.linspace(0, 1, 200)
    for colour, start, end, bend in (
        ((80, 200, 255), 0.25, 0.55, 0.12),
        ((120, 230, 120), 0.62, 0.30, -0.10),
        ((255, 170, 90), 0.45, 0.72, 0.07),
    ):
        x = (0.08 + 0.84 * t) * columns
        y = (start + (end - start) * t + bend * np.sin(2 * np.pi * t)) * rows * 0.9
        cv2.polylines(inner, [np.stack([x, y], 1).astype(np.int32)], False, colour, 7, cv2.LINE_AA)
        for k in (60, 130, 199):
            cv2.circle(inner, (int(x[k]), int(y[k])), 12, colour, -1, cv2.LINE_AA)
            cv2.circle(inner, (int(x[k]), int(y[k])), 12, (255, 255, 255), 3, cv2.LINE_AA)
    text, font, size = "track", cv2.FONT_HERSHEY_DUPLEX, 4.0
    (w, _), _ = cv2.getTextSize(text, font, size, 9)
    cv2.putText(inner, text, ((columns - w) // 2, int(0.9 * rows)), font, size, (255, 255, 255), 9, cv2.LINE_AA)
    window[:] = inner
    pixels = np.asarray(cv2.resize(board, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return _Sprite(pixels, (width / 2, height), height)
