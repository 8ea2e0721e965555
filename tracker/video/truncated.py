"""Whether a video file is shorter than its own header says: a broken copy, download or recording.

libav reads such a file to where it was cut and reports a normal end. MP4/MOV (ISO 14496-12 boxes), Matroska/WebM
(RFC 8794 EBML) and AVI (RIFF) say how long they are; MPEG streams do not, and are whole at any length.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def is_truncated(path: Path) -> bool:
    """True where the file ends before its header says, or an MP4 lacks its index."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        if head[4:] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
            return _boxes_overrun(file, size)
        if head.startswith(_EBML):
            return _segment_overruns(file, size)
        return head.startswith(b"RIFF") and 8 + int.from_bytes(head[4:], "little") > size


def _boxes_overrun(file: BinaryIO, size: int) -> bool:
    """Walks the top-level boxes: 4 bytes length (1: 8 bytes follow; 0: to the end of the file), 4 bytes kind."""
    offset, kinds = 0, set()
    while offset + 8 <= size:
        file.seek(offset)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if not kind.isalnum() or 0 < length < 8:
            break  # padding or rubbish after the last box
        kinds.add(kind)
        if length == 0:
            break
        offset += length
    # the media and its index are what must be whole; a cut in anything after them costs no frame
    return b"moov" not in kinds or (offset > size and kind in (b"mdat", b"moov", b"moof"))


def _segment_overruns(file: BinaryIO, size: int) -> bool:
    """An EBML header, then one Segment that holds all; a recorder that was never closed leaves its length unknown."""
    file.seek(len(_EBML))
    header = _ebml_length(file)
    file.seek(header or 0, 1)
    if file.read(len(_SEGMENT)) != _SEGMENT:
        return False
    length = _ebml_length(file)
    return length is not None and file.tell() + length > size


def _ebml_length(file: BinaryIO) -> int | None:
    """A variable-length number: as many further bytes as its first has leading zeros; all ones means unknown."""
    first = int.from_bytes(file.read(1), "big")
    further = 8 - first.bit_length()
    value = int.from_bytes(bytes([first]) + file.read(further), "big")
    mask = (1 << (7 * (further + 1))) - 1
    return None if value & mask == mask else value & mask
