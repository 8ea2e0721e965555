"""A MOTChallenge sequence as a clip that any tracker reads, and how good the tracks are that they left."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from tracker.datasets.mot import MotSequence
from tracker.errors import DataError
from tracker.evaluation.tracking import Scores, score

_CODECS = {".jpg": ("mjpeg", "yuvj420p"), ".jpeg": ("mjpeg", "yuvj420p"), ".png": ("png", "rgb24")}


def as_clip(sequence: MotSequence, folder: Path) -> Path:
    """`folder/NAME.avi` with the sequence's images as they are, nothing encoded anew.

    Raises:
        DataError: not an image a frame, or not all JPEG or all PNG.
    """
    images = sequence.images()[: sequence.length]
    codecs = {_CODECS.get(path.suffix.lower()) for path in images}
    codec = codecs.pop() if len(codecs) == 1 else None
    if len(images) < sequence.length or codec is None:
        raise DataError(
            f"{sequence.image_folder} has {len(images)} images for {sequence.length} frames; give all, as JPEG or as "
            "PNG, or a video"
        )
    clip, rate = folder / f"{sequence.name}.avi", Fraction(sequence.fps).limit_denominator(1001)
    with av.open(str(clip), "w") as container:
        stream: Any = container.add_stream(codec[0], rate=rate)
        (stream.width, stream.height), stream.pix_fmt = sequence.size, codec[1]
        for number, path in enumerate(images):
            packet = av.Packet(path.read_bytes())
            packet.pts = packet.dts = number
            packet.time_base, packet.stream, packet.is_keyframe = 1 / rate, stream, True
            container.mux(packet)
    return clip


def scored(sequence: MotSequence, kept: Path, names: Iterable[str], preproc: bool) -> dict[str, Scores]:
    """The scores of the files `kept/NAME/SEQUENCE.txt`; `preproc` as for `score`."""
    return {name: score(sequence.folder, kept / name, preproc=preproc)["combined"] for name in names}
