"""The folder of a command's results: what it made it may replace, what others made it leaves as it is."""

import os
from pathlib import Path

import pytest

from tracker.errors import OutputError
from tracker.system.output_folder import claim, emptied

LEAVES = ("numbers.json", "pictures")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder in which `track count` has been once."""
    claim(tmp_path / "out", "count", LEAVES)
    emptied(tmp_path / "out" / "pictures", "count")
    (tmp_path / "out" / "numbers.json").write_text("ours")
    (tmp_path / "out" / "pictures" / "1.png").write_text("ours")
    return tmp_path / "out"


def refused(match: str, out: Path, *arguments: object) -> None:
    """It says so in one sentence, and nothing has changed."""
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match=match) as caught:
        claim(out, *arguments)  # type: ignore[arg-type]
    assert len(str(caught.value).splitlines()) == 1
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_its_own_may_be_replaced(out: Path) -> None:
    claim(out, "count", LEAVES)
    claim(out, "count", LEAVES[:1])
    emptied(out / "pictures", "count")
    assert not list((out / "pictures").glob("*.png")) and (out / "numbers.json").read_text() == "ours"
    claim(out, "count", LEAVES)


def test_a_training_that_an_earlier_commit_began_goes_on(tmp_path: Path) -> None:
    """Its mark holds no names yet."""
    (tmp_path / ".made-by-track-train-motion").touch()
    (tmp_path / "checkpoint.pt").write_text("ours")
    refused(r"checkpoint\.pt was not made by track train appearance", tmp_path, "train appearance", ["checkpoint.pt"])
    claim(tmp_path, "train motion", ["checkpoint.pt"])
    (tmp_path / "theirs.txt").write_text("theirs")
    refused(r"theirs\.txt was not made by track train motion", tmp_path, "train motion", ["theirs.txt"])


def test_what_another_command_made_stays(out: Path) -> None:
    for leaves in (LEAVES[:1], LEAVES[1:]):
        refused("was not made by track train count; choose another --out, or move it away", out, "train count", leaves)


def test_a_further_file_is_not_its_own_because_others_are(out: Path) -> None:
    """As where names follow the data: only what it wrote before is known as its own."""
    (out / "A.txt").write_text("theirs")
    refused(r"A\.txt was not made by track count", out, "count", [*LEAVES, "A.txt"])
    (out / "A.txt").unlink()
    claim(out, "count", [*LEAVES, "A.txt"])
    (out / "A.txt").write_text("ours")
    claim(out, "count", ["A.txt"])


def test_links_are_neither_followed_nor_replaced(out: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs.json").write_text("theirs")
    (out / "numbers.json").unlink()
    for target in (tmp_path / "theirs.json", tmp_path / "nothing.json"):
        (out / "numbers.json").symlink_to(target)
        refused(r"numbers\.json was not made by", out, "count", LEAVES)
        (out / "numbers.json").unlink()


def test_an_input_is_no_output(out: Path) -> None:
    refused("is the input", out, "count", LEAVES, [out / "numbers.json"])
    refused("holds the input", out, "count", LEAVES, [out / "pictures" / "1.png"])


def test_names_of_any_bytes(out: Path) -> None:
    name = os.fsdecode(b"\xff.txt")
    claim(out, "count", [name])
    (out / name).write_text("ours")
    claim(out, "count", [name])


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        claim(tmp_path / "out", "count", LEAVES)
