"""Detections of other libraries, known by the names of their classes alone: none of them is imported for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.columns.checked import as_array
from tracker.columns.masks import Masks, part_of, rectangles
from tracker.errors import InputError
from tracker.system.extras import extra

CLASS_NAMES, CORNERS, KEYPOINTS = "class_name", "xyxyxyxy", "keypoints"  # in the `data` of supervision's detections
ANGLE = "angle"  # in `data`: radians of an oriented box's first side from the x axis, clockwise as one sees it
_LEAST_PX = 0.01  # of a box's sides: clipped to the frame they may be 0, and a row that is left out would shift others
_HALF = 0.5
_RESULTS = {"ultralytics": "Results", "supervision": "Detections"}  # library -> its class


def known(value: Any) -> dict[str, Any] | None:
    """What to make `Detections` of, by name of its fields, for one frame's results of a library that is known."""
    library = _library(value)
    if library:
        return of_ultralytics(value) if library == "ultralytics" else of_supervision(value)
    if isinstance(value, list | tuple) and len(value) == 1:  # as Ultralytics' models return it
        return known(value[0])
    return None


def _library(value: Any) -> str:
    """Whose results these are; empty: nobody's that is known."""
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    return library if _RESULTS.get(library) == kind.__name__ else ""


def how(value: Any) -> str:
    """How to make `Detections` of something that is not known, or not where it stands."""
    if library := _library(value):
        return f"Detections.from_{library}(found)"
    if isinstance(value, np.ndarray) or callable(getattr(value, "detach", None)):
        return "Detections(rows[:, :4], rows[:, 4], rows[:, 5])"
    if isinstance(value, dict) and "boxes" in value:  # torchvision, transformers
        return "Detections(" + ", ".join(f"found[{n!r}]" for n in ("boxes", "scores", "labels") if n in value) + ")"
    if hasattr(value, "pred_boxes"):  # detectron2
        return "Detections(found.pred_boxes.tensor, found.scores, found.pred_classes)"
    if isinstance(value, list | tuple) and value and known(value[0]) is not None:
        return "the results of one frame, one update after another"
    return "Detections(xyxy, scores, classes), or the results of Ultralytics or supervision as they are"


def of_ultralytics(results: Any) -> dict[str, Any]:
    """The fields of `Detections` for an Ultralytics `Results`, with masks, keypoints and oriented boxes.

    Raises:
        InputError: something else, or results without boxes.
    """
    if isinstance(results, list | tuple) and len(results) == 1:
        results = results[0]
    boxes = getattr(results, "obb", None)
    if boxes is None:
        boxes = getattr(results, "boxes", None)
    if boxes is None and _library(results) != "ultralytics":
        raise InputError(f"{type(results).__name__} is no Results of Ultralytics; give {how(results)}")
    if boxes is None:
        raise InputError(
            f"{type(results).__name__} holds no boxes; give the Results of one frame of a detect, segment, pose or "
            "obb model"
        )
    rows = {name: as_array(name, getattr(boxes, name)) for name in ("xyxy", "conf", "cls")}
    points, corners = getattr(results, "keypoints", None), getattr(boxes, "xyxyxyxy", None)
    masks, size = getattr(results, "masks", None), tuple(results.orig_shape[:2])
    xyxy = _with_area(rows["xyxy"])
    return {
        "xyxy": xyxy,
        "scores": rows["conf"],
        "classes": rows["cls"],
        "masks": None if masks is None else _unscaled(as_array("masks", masks.data), xyxy, size),
        "keypoints": None if points is None else _keypoints(as_array("keypoints", points.data)),
        "corners": None if corners is None else as_array("corners", corners),
        "data": {} if corners is None else {ANGLE: as_array("angle", boxes.xywhr)[:, 4]},
        "names": {int(number): str(name) for number, name in dict(results.names).items()},
    }


def of_supervision(detections: Any) -> dict[str, Any]:
    """The fields of `Detections` for a `supervision.Detections`: masks, oriented boxes, keypoints, class names, data.

    Raises:
        InputError: something else.
    """
    if not hasattr(detections, "xyxy") or not hasattr(detections, "class_id"):
        raise InputError(f"{type(detections).__name__} is no supervision.Detections; give {how(detections)}")
    data = dict(detections.data)
    names, classes = data.pop(CLASS_NAMES, None), detections.class_id
    both = () if names is None or classes is None else zip(classes, names, strict=True)
    points = data.get(KEYPOINTS)
    if isinstance(points, np.ndarray) and points.ndim == 3 and points.shape[2] == 3:
        del data[KEYPOINTS]
    else:
        points = None
    return {
        "xyxy": _with_area(as_array("xyxy", detections.xyxy)),
        "scores": detections.confidence,
        "classes": classes,
        "masks": None if detections.mask is None else np.asarray(detections.mask),
        "keypoints": points,
        "corners": data.pop(CORNERS, None),
        "data": data,
        "names": {int(number): str(name) for number, name in both},
    }


def to_supervision(tracks: Any) -> Any:
    """A `supervision.Detections` of confirmed `Tracks`.

    Its masks and `data` have what the tracks carry; where a track is predicted its mask is empty and its oriented box
    the box itself.
    """
    supervision = extra("supervision", "supervision")
    names = np.array([tracks.names.get(n, str(n)) for n in tracks.classes.tolist()], dtype=str)
    data = {**tracks.data, CLASS_NAMES: names}  # by the track's life, whatever a column of that name says
    if tracks.keypoints is not None:
        data[KEYPOINTS] = tracks.keypoints
    if tracks.corners is not None:
        upright = tracks.xyxy[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
        data[CORNERS] = np.where(np.isnan(tracks.corners), upright, tracks.corners)
    return supervision.Detections(
        xyxy=tracks.xyxy,
        mask=None if tracks.masks is None else tracks.masks.dense(),
        confidence=tracks.scores,
        class_id=tracks.classes,
        tracker_id=tracks.ids,
        data=data,
    )


def _with_area(xyxy: NDArray[Any]) -> NDArray[Any]:
    """(N, 4) boxes of which none is thinner than a hundredth of a pixel."""
    if xyxy.ndim != 2 or xyxy.shape[1] != 4:
        return xyxy
    return np.concatenate([xyxy[:, :2], np.maximum(xyxy[:, 2:], xyxy[:, :2] + _LEAST_PX)], axis=1)


def _keypoints(points: NDArray[Any]) -> NDArray[np.float32]:
    """(N, K, 2 or 3) -> (N, K, 3): without confidences all are sure; a point at 0, 0 is one that is not known."""
    xy, confidence = points[..., :2].astype(np.float32), points[..., 2:3].astype(np.float32)
    if not confidence.shape[-1]:
        confidence = np.ones_like(xy[..., :1])
    return np.concatenate(
        [np.where((xy == 0).all(axis=-1, keepdims=True), np.float32(np.nan), xy), confidence], axis=-1
    )


def _unscaled(rasters: NDArray[Any], xyxy: NDArray[Any], size: tuple[int, int]) -> Masks:
    """Masks (N, h, w) in the letterbox around a frame of (height, width), brought to the frame, each within its box."""
    height, width = size
    if len(rasters) != len(xyxy):
        raise InputError(f"masks has {len(rasters)} rows; expected {len(xyxy)}, one for each box")
    if rasters.shape[1:] == size:
        return Masks.of(rasters)
    gain = min(rasters.shape[1] / height, rasters.shape[2] / width)
    picture = round(width * gain), round(height * gain)
    scale = picture[0] / width, picture[1] / height
    offset = (rasters.shape[2] - picture[0]) // 2, (rasters.shape[1] - picture[1]) // 2
    inside = rectangles(xyxy, size)
    parts = [
        part_of(raster.astype(np.float32), scale, offset, rectangle) > _HALF
        for raster, rectangle in zip(rasters, inside.tolist(), strict=True)
    ]
    return Masks.of_crops(parts, inside[:, :2].tolist(), size)
