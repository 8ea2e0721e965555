"""Files that are written whole or not at all."""

import fcntl

import pytest

from tracker.errors import OutputError
from tracker.system.files import locked, replace_file, replacing


def test_what_is_streamed_takes_its_place_at_the_end(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_what_ends_early_leaves_what_was_there_and_nothing_else(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OutputError if error is OSError else error), replacing(path) as file:
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_place_of_the_draft_is_not_written_through(tmp_path):
    """As in a folder that comes from somebody else."""
    (tmp_path / "other").write_text("of others")
    (tmp_path / ".edits.json.part").symlink_to(tmp_path / "other")
    replace_file(tmp_path / "edits.json", b"{}")
    assert (tmp_path / "edits.json").read_bytes() == b"{}"
    assert (tmp_path / "other").read_text() == "of others"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edits.json", "other"]


def test_what_a_kill_left_of_a_draft_does_not_stand_in_the_way(tmp_path):
    (tmp_path / ".a.txt.part").write_bytes(b"half")
    replace_file(tmp_path / "a.txt", b"whole")
    assert (tmp_path / "a.txt").read_bytes() == b"whole"


def test_a_link_that_is_replaced_is_replaced_itself(tmp_path):
    (tmp_path / "other").write_text("of others")
    (tmp_path / "edits.json").symlink_to(tmp_path / "other")
    replace_file(tmp_path / "edits.json", b"{}")
    assert not (tmp_path / "edits.json").is_symlink()
    assert (tmp_path / "other").read_text() == "of others"


class TestALock:
    def test_keeps_others_out_until_it_is_closed(self, tmp_path):
        with locked(tmp_path / "made" / "lock"), pytest.raises(BlockingIOError):
            locked(tmp_path / "made" / "lock")
        locked(tmp_path / "made" / "lock").close()

    def test_is_on_the_file_that_is_there(self, tmp_path, monkeypatch):
        """Whoever kept it removes it in the moment between opening and locking it."""
        path, flock = tmp_path / "lock", fcntl.flock

        def removed_before(file, how):
            monkeypatch.setattr(fcntl, "flock", flock)
            path.unlink()
            flock(file, how)

        monkeypatch.setattr(fcntl, "flock", removed_before)
        with locked(path), pytest.raises(BlockingIOError):
            locked(path)
