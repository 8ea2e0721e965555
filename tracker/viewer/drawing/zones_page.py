"""Lines, zones and regions to ignore, drawn on a picture: what the page of `track zones` reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml

from tracker.analytics.zones import Zones
from tracker.analytics.zones_file import ANCHORS, written
from tracker.errors import ConfigError, InputError
from tracker.viewer.drawing.document import Document
from tracker.viewer.drawing.picture import Still

_DECIMALS = {"px": 1, "share": 5}
_KINDS = {"line": "lines", "zone": "zones"}


class ZonesPage:
    """A `zones.yaml` and the picture it is drawn on. The page has all points in pixels, whatever the file's units.

    Args:
        document: the file. picture: what is drawn on.

    Raises:
        ConfigError: the file is there and is none, or does not fit the picture.
    """

    def __init__(self, document: Document, picture: Still) -> None:
        self._document, self._picture = document, picture
        self.state()

    def state(self) -> dict[str, Any]:
        """What the file says: a list of shapes with their points in pixels."""
        text, version = self._document.read()
        zones = self._read(text) if text else Zones()
        scale = np.array(self._picture.size if zones.units == "share" else (1, 1))
        shapes = [
            {"kind": "zone" if place.is_zone else "line", "name": place.name, **place.to_dict()}
            | {"points": (place.points * scale).tolist()}
            for place in zones.places
        ]
        shapes += [{"kind": "ignore", "points": (points * scale).tolist()} for points in zones.ignore]
        return {
            "file": str(self._document.path),
            "version": version,
            "size": list(self._picture.size),
            "shapes": shapes,
            "anchors": [name for name in ANCHORS if name != "center"],
            "comments": any(line.lstrip().startswith("#") for line in (text or "").splitlines()),
        }

    def save(self, sent: Any, version: str) -> dict[str, Any]:
        """Write what the page has: its `shapes`, as `state` gives them, in the units that the file had.

        Raises:
            ConfigError: a shape that is none. InputError: not a list of shapes. ChangedError, OutputError: as of
                `Document.save`.
        """
        text, _ = self._document.read()
        units = self._read(text).units if text else "px"
        saved = self._document.save(written(self._content(sent, units)), version, self._read)
        return {"version": saved, "file": str(self._document.path)}

    def _read(self, text: str) -> Zones:
        try:
            zones = Zones.parsed(yaml.safe_load(text) or {}, str(self._document.path))
        except yaml.YAMLError as error:
            raise ConfigError(f"{self._document.path} is not plain YAML; give another --out") from error
        zones.fitted(self._picture.size)
        return zones

    def _content(self, sent: Any, units: str) -> dict[str, Any]:
        """What the file is to say."""
        shapes = sent.get("shapes") if isinstance(sent, Mapping) else None
        if not isinstance(shapes, list) or not all(isinstance(shape, Mapping) for shape in shapes):
            raise InputError("what was sent has no shapes; load this page again")
        content: dict[str, Any] = {"units": units, "lines": {}, "zones": {}, "ignore": []}
        for shape in shapes:
            kind, name = str(shape.get("kind")), str(shape.get("name", "")).strip()
            said = {key: shape[key] for key in ("anchor", "classes", "dwell_s") if shape.get(key) not in (None, "", [])}
            said = {"points": self._points(shape.get("points"), units), **said}
            if kind == "ignore":
                content["ignore"].append({"points": said["points"]})
                continue
            if kind not in _KINDS:
                raise InputError(f"a shape is of the kind {kind!r}; give line, zone or ignore")
            if not name:
                raise ConfigError(f"a {kind} has no name; give each a name of its own")
            if name in content["lines"] or name in content["zones"]:
                raise ConfigError(f"two places are called {name!r}; give each a name of its own")
            content[_KINDS[kind]][name] = said
        return {key: value for key, value in content.items() if value}

    def _points(self, given: Any, units: str) -> list[list[float]]:
        try:
            points = np.array(given, np.float64).reshape(-1, 2)
        except (TypeError, ValueError):
            raise InputError("a shape has no points; load this page again") from None
        scale = self._picture.size if units == "share" else (1, 1)
        rounded: list[list[float]] = (points / scale).round(_DECIMALS[units]).tolist()
        return rounded
