"""Which weights were in use."""

import hashlib
from pathlib import Path

import pytest

from tracker.errors import WeightsError
from tracker.provenance import hashed


def test_a_file_is_read_once_and_again_when_it_is_replaced(tmp_path, monkeypatch):
    read, read_bytes = [], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: (read.append(self), read_bytes(self))[1])
    path, other = tmp_path / "weights.pt", tmp_path / "other.pt"
    path.write_bytes(b"old")
    assert {hashed(path)["sha256"] for _ in range(3)} == {hashlib.sha256(b"old").hexdigest()}
    assert len(read) == 1
    other.write_bytes(b"new")
    other.replace(path)
    assert hashed(path)["sha256"] == hashlib.sha256(b"new").hexdigest()
    path.unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        hashed(path)
