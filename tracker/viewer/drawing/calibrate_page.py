"""Points of the ground, marked on a picture: what the page of `track calibrate` reads, shows and writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import yaml

from tracker.analytics.ground.homography import Array, mapped
from tracker.analytics.ground.known_lengths import ground_points
from tracker.analytics.ground.plane import GroundPlane
from tracker.errors import ConfigError, InputError
from tracker.structures import Mask
from tracker.system.output_folder import claim
from tracker.viewer.drawing.document import NEW, Document
from tracker.viewer.drawing.picture import Still

_LINES = 10  # of the grid each way, about
_FARTHEST_M = 1e6  # that any picture shows
_SAMPLES = 60  # points of a line of the grid


class CalibratePage:
    """A `camera.yaml` and the picture it is of.

    Args:
        document: the file. picture: what is marked on.

    Raises:
        ConfigError: the file is there and is none, or of another picture.
    """

    def __init__(self, document: Document, picture: Still) -> None:
        self._document, self._picture = document, picture
        self.state()

    def state(self) -> dict[str, Any]:
        """What the file says: its points, in pixels of the picture."""
        text, version = self._document.read()
        ground = self._read(text)
        points = [] if ground is None else ground.fitted(self._picture.size).to_dict()["points"]
        return {
            "file": str(self._document.path),
            "version": version,
            "size": list(self._picture.size),
            "points": points,
        }

    def fit(self, sent: Any, _: str = "") -> dict[str, Any]:
        """How far each of the page's `points` is from where it was said to be, and a grid of metres over the picture.

        Raises:
            InputError: points that fix no ground.
        """
        ground = self._ground(sent)
        spacing, lines = _grid(ground)
        return {"error_m": ground.error_m.round(4).tolist(), "spacing_m": spacing, "grid": lines}

    def lengths(self, sent: Any, _: str = "") -> dict[str, Any]:
        """Points whose places follow from two lengths and a direction: `parallel`, `segments` and `lengths_m`.

        Raises:
            InputError: as of `ground_points`.
        """
        given: Mapping[str, Any] = sent if isinstance(sent, Mapping) else {}
        pixels, metres = ground_points(
            given.get("parallel", ()), given.get("segments", ()), _numbers(given.get("lengths_m")), self._picture.size
        )
        pairs = zip(pixels.round(2).tolist(), metres.round(4).tolist(), strict=True)
        return {"points": [{"px": pixel, "m": place} for pixel, place in pairs]}

    def save(self, sent: Any, version: str) -> dict[str, Any]:
        """Write the page's `points`; a file that is made so is one of `track calibrate`, which --points may replace.

        Raises:
            InputError: points that fix no ground. ChangedError, OutputError: as of `Document.save`.
        """
        text = yaml.safe_dump(self._ground(sent).to_dict(), sort_keys=False, default_flow_style=None)
        path = self._document.path
        if version == self._document.read()[1] == NEW:
            claim(path.parent, "calibrate", [path.name])
        return {"version": self._document.save(text, version, self._read), "file": str(path)}

    def _read(self, text: str | None) -> GroundPlane | None:
        """What a file says; None where there is none."""
        if text is None:
            return None
        try:
            return GroundPlane.parsed(yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise ConfigError(f"{self._document.path} is not plain YAML; give another --out") from error
        except (InputError, ConfigError) as error:
            raise ConfigError(f"{self._document.path}: {error}") from None

    def _ground(self, sent: Any) -> GroundPlane:
        """The ground through the page's points, with the lens that the file has."""
        points = sent.get("points") if isinstance(sent, Mapping) else None
        if not isinstance(points, list) or not all(isinstance(point, Mapping) for point in points):
            raise InputError("what was sent has no points; load this page again")
        pixels = [point.get("px") for point in points]
        metres = [_numbers(point.get("m")) for point in points]
        before = self._read(self._document.read()[0])
        lens = None if before is None else before.fitted(self._picture.size).lens
        ground = GroundPlane.from_points(pixels, metres, lens=lens, frame_size=self._picture.size)
        return ground if before is None else replace(ground, foot_std=before.foot_std)


def _numbers(given: Any) -> list[float]:
    """Two numbers of a page's fields."""
    try:
        one, two = (float(value) for value in given)
    except (TypeError, ValueError):
        raise InputError("a number of metres is missing; type all of them") from None
    if not (abs(one) <= _FARTHEST_M and abs(two) <= _FARTHEST_M):
        raise InputError(f"metres are not between -{_FARTHEST_M:g} and {_FARTHEST_M:g}; type others")
    return [one, two]


def _grid(ground: GroundPlane) -> tuple[float, list[list[list[float]]]]:
    """Metres between the lines of a grid on the calibrated ground, and the lines (L, P, 2) in pixels."""
    low, high = ground.metres.min(axis=0), ground.metres.max(axis=0)
    extent = high - low
    spacing = _round(float(extent.max()) / _LINES)
    low, high = low - extent / 2, high + extent / 2
    lines = []
    for axis in (0, 1):
        across = np.linspace(low[1 - axis], high[1 - axis], _SAMPLES)
        for place in np.arange(np.ceil(low[axis] / spacing), high[axis] / spacing) * spacing:
            line = np.full((_SAMPLES, 2), float(place))
            line[:, 1 - axis] = across
            pixels = _in_picture(ground, line)
            inside = _all(np.isfinite(pixels)) & _all(np.isfinite(ground.to_metres(np.nan_to_num(pixels))))
            parts = np.split(pixels, np.flatnonzero(np.diff(inside)) + 1)
            lines += [part.round(1).tolist() for part in parts[0 if inside[0] else 1 :: 2] if len(part) > 1]
    return spacing, lines


def _in_picture(ground: GroundPlane, metres: Array) -> Array:
    """(N, 2) where places of the ground are in the picture; NaN behind the horizon."""
    inverse = np.asarray(np.linalg.inv(ground.homography), np.float64)
    straight, _ = mapped(inverse, metres)
    straight[~(mapped(ground.homography, straight)[1] > 0)] = np.nan
    return straight if ground.lens is None else ground.lens.bent(straight)


def _all(each: Mask) -> Mask:
    """(N,) of (N, 2), where both are so."""
    return np.asarray(each.all(axis=1))


def _round(value: float) -> float:
    """1, 2 or 5 times a power of ten, not below the value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(power * next(step for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9)))
