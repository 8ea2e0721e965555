"""Files that are written whole, and nowhere else."""

from tracker.system.files import replace_file


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
