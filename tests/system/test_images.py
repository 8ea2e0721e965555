"""Image files: one way to read them, with one set of errors, and no more memory than their bytes are worth."""

from __future__ import annotations

import io
import json
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracker
from tracker.errors import SourceError
from tracker.system.images import believable, claimed_size, page_sizes, read_image
from tracker.video.source import open_source

PACKAGE = Path(tracker.__file__).parent
KINDS: dict[str, dict[str, object]] = {  # name: how Pillow writes it
    "baseline.jpg": {},
    "progressive.jpg": {"progressive": True},
    "lossless.webp": {"lossless": True},
    "lossy.webp": {"lossless": False},
    "a.png": {},
    "a.bmp": {},
    "a.tif": {},
    "packed.tiff": {"compression": "tiff_adobe_deflate"},
    "big.tiff": {"big_tiff": True},
}
ORIENTATION = 0x112  # the EXIF tag


def written(name: str, width: int, height: int, **more: object) -> bytes:
    file = io.BytesIO()
    picture = PIL.Image.new("RGB", (width, height), (200, 100, 50))
    picture.putpixel((0, 0), (0, 0, 255))
    format_ = PIL.Image.registered_extensions()[Path(name).suffix]
    picture.save(file, format_, **KINDS[name], **more)
    return file.getvalue()


# What a file says of its size


@pytest.mark.parametrize("name", KINDS)
@given(width=st.integers(1, 600), height=st.integers(1, 600))
def test_the_size_is_found_in_the_header(name: str, width: int, height: int) -> None:
    assert claimed_size(written(name, width, height)) == (width, height)


def test_the_size_is_the_pictures_and_not_its_previews() -> None:
    exif = PIL.Image.Exif()
    preview = written("baseline.jpg", 16, 12)
    exif[0x927C] = preview  # a maker's note
    data = written("baseline.jpg", 64, 48, exif=exif)
    assert data.index(preview[:2], 2) < data.rindex(b"\xff\xda"), "it comes first"
    assert claimed_size(data) == (64, 48)


def test_the_size_of_an_animation_is_its_canvas(tmp_path: Path) -> None:
    pictures = [PIL.Image.new("RGB", (64, 48), (i, i, i)) for i in range(0, 90, 30)]
    for name in ("a.webp", "a.png"):
        pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:])
        assert claimed_size((tmp_path / name).read_bytes()) == (64, 48)
    cv2.imwritemulti(str(tmp_path / "a.tif"), [np.zeros((48, 64, 3), np.uint8), np.zeros((20, 30), np.uint16)])
    assert page_sizes(tmp_path / "a.tif") == [(64, 48), (30, 20)]


@given(st.sampled_from(list(KINDS)), st.integers(0, 300), st.binary(max_size=40))
def test_no_header_is_an_error(name: str, cut: int, rubbish: bytes) -> None:
    data = written(name, 60, 40)[:cut] + rubbish
    width, height = claimed_size(data)
    assert width >= 0 and height >= 0
    assert len(claimed_size(data[:2] + rubbish)) == 2


def test_photographs_and_panoramas_are_believed() -> None:
    assert believable((8192, 8192), 100), "small enough for any"
    assert believable((16_000, 16_000), 10_000_000), "a photograph of 0.3 bits a pixel"
    assert not believable((16_000, 16_000), 700)


# Decompression bombs


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(side: int) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
        + chunk(b"IEND", b"")
    )


def jpeg_bomb(side: int, name: str) -> bytes:
    """A picture of 64 x 48 that says it is larger: libjpeg makes up the rest."""
    data = bytearray(written(name, 64, 48))
    at = data.index(struct.pack(">HH", 48, 64))
    data[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(data)


def bmp_bomb(side: int) -> bytes:
    """Run lengths, of which there is one: the end."""
    head = struct.pack("<IHHI", 1080, 0, 0, 1078) + struct.pack(
        "<IiiHHIIiiII", 40, side, side, 1, 8, 1, 0, 0, 0, 256, 0
    )
    return b"BM" + head + bytes(1024) + b"\0\1"


def tiff_bomb(side: int) -> bytes:
    data = bytearray(written("packed.tiff", 64, 48))
    at = int.from_bytes(data[4:8], "little")
    for entry in range(at + 2, at + 2 + 12 * int.from_bytes(data[at : at + 2], "little"), 12):
        if int.from_bytes(data[entry : entry + 2], "little") in (256, 257, 278):  # width, height, rows of a strip
            data[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, side)
    return bytes(data)


BOMBS: dict[str, Callable[[int], bytes]] = {
    "a.png": png_bomb,
    "a.jpg": lambda side: jpeg_bomb(side, "baseline.jpg"),
    "b.jpg": lambda side: jpeg_bomb(side, "progressive.jpg"),
    "a.bmp": bmp_bomb,
    "a.tif": tiff_bomb,
}
READ = """
import json, resource, sys
from tracker.errors import SourceError
from tracker.video.source import open_source
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
said = []
for path in sys.argv[1:]:
    try:
        said.append(len(list(open_source(path))))
    except SourceError as error:
        said.append(str(error))
print(json.dumps([said, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))
"""


@pytest.mark.parametrize("side", [16_000, 40_000])
def test_a_file_that_claims_more_than_it_can_hold_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    """691 bytes of JPEG took 5.8 GiB; beyond 2^30 pixels OpenCV's own error was a traceback."""
    paths = [tmp_path / name for name in BOMBS]
    for path in paths:
        path.write_bytes(BOMBS[path.name](side))
    process = subprocess.run([sys.executable, "-c", READ, *map(str, paths)], capture_output=True, text=True, check=True)
    said, kibibytes = json.loads(process.stdout)
    for path, sentence in zip(paths, said, strict=True):
        assert sentence == (
            f"cannot read image {path}: it claims {side} x {side} pixels in {path.stat().st_size} bytes; "
            "replace it, or save it with at most 67 million pixels"
        )
    assert kibibytes < 100 << 10
    assert process.stderr == ""


def test_a_page_that_claims_more_than_it_can_hold_is_refused(tmp_path: Path) -> None:
    data = bytearray(tiff_bomb(16_000))
    whole = written("packed.tiff", 64, 48)
    at = int.from_bytes(whole[4:8], "little")
    data = bytearray(whole) + bytearray(data)  # the bomb's directory stands behind, and is the second page
    following = at + 2 + 12 * int.from_bytes(whole[at : at + 2], "little")
    data[following : following + 4] = struct.pack("<I", len(whole) + at)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(SourceError, match="it claims 16000 x 16000 pixels"):
        open_source(tmp_path / "a.tif")


# One way to read them


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["lossless.webp", "a.png", "a.tif", "baseline.jpg"])
def test_pictures_stand_upright_by_their_exif_orientation(tmp_path: Path, name: str, orientation: int) -> None:
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:16, :32] = (255, 0, 0)
    pixels[16:32, :16] = (0, 255, 0)
    picture = PIL.Image.fromarray(pixels)
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = orientation
    more = {"tiffinfo": {ORIENTATION: orientation}} if name == "a.tif" else {"exif": exif}
    quality = {"quality": 100, "subsampling": 0} if name == "baseline.jpg" else {}
    picture.save(tmp_path / name, **KINDS[name], **quality, **more)
    with PIL.Image.open(tmp_path / name) as file:
        upright = np.asarray(PIL.ImageOps.exif_transpose(file).convert("RGB"))[..., ::-1]
    found = read_image(tmp_path / name)
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, upright, atol=3 if quality else 0)


@pytest.mark.parametrize("name", KINDS)
def test_pixels_are_opencvs(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    PIL.Image.fromarray(noise).save(path, **KINDS[name])
    np.testing.assert_array_equal(read_image(path), cv2.imread(str(path)))


def test_no_other_code_reads_image_files() -> None:
    """Each way of its own had other errors, or none."""
    ways = re.compile(r"cv2\.imread\(|PIL\.Image\.open|Pillow\.open|Image\.open\(")
    found = {path.name for path in PACKAGE.rglob("*.py") if ways.search(path.read_text(encoding="utf-8"))}
    assert found == {"animation.py"}, "of several pictures in one file"
