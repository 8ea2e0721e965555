"""The report shows each mistake as a picture, over the frame's pixels where there are images, in one file."""

import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers.walkers import make_sequence, perfect, write_results
from tracker.datasets.mot import find_sequences
from tracker.evaluation.report import write_report
from tracker.evaluation.tracking import score


class Page(HTMLParser):
    """Collects anchors, links and counts of tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.tags.append(tag)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [values["href"] or ""] if tag == "a" else []


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """Sequences A and B; in A one object changes its id after a gap, in B both change it at once."""
    for name in ("A", "B"):
        make_sequence(tmp_path / "gt", name)
    gap = [(f, i + 5 * (f > 10 and i == 11), *box) for f, i, *box in perfect() if not (i == 11 and 8 < f <= 10)]
    write_results(tmp_path / "out", "A", gap)
    write_results(tmp_path / "out", "B", [(f, i + 5 * (f > 10), *box) for f, i, *box in perfect()])
    return tmp_path


def report(folder: Path, limit: int = 200) -> tuple[int, str]:
    path = folder / "out" / "report.html"
    scores = score(folder / "gt", folder / "out")
    count = write_report(find_sequences([folder / "gt"]), folder / "out", path, scores, limit=limit)
    return count, path.read_text(encoding="utf-8")


def test_every_mistake_has_a_picture_before_and_after(scored: Path) -> None:
    count, text = report(scored)
    page = Page(text)
    assert count == 3
    assert {"A-11-1", "B-11-1", "B-11-2"} <= set(page.ids)
    assert page.tags.count("figure") == 3
    assert page.tags.count("svg") == 3 + 2 + 2  # with a gap, also the middle of it
    assert "id 11 → 16, not found for 2 frames" in text
    assert "frame 8<" in text and "frame 11<" in text
    assert "wrong for 10 frames (0.4 s)" in text


def test_a_switch_back_is_said_to_be_one(scored: Path) -> None:
    away = [(f, i + 5 * (f in (5, 6) and i == 11), *box) for f, i, *box in perfect()]
    write_results(scored / "out", "A", away)
    _, text = report(scored)
    assert "id 11 → 16, wrong for 2 frames (0.1 s)" in text and "id 16 → 11; 11 is its own id" in text


def test_every_link_leads_somewhere_in_the_page_and_nothing_is_loaded(scored: Path) -> None:
    _, text = report(scored)
    page = Page(text)
    assert page.links and all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert not re.search(r"(src|href)=\"(?!#|data:)", text)


def test_the_summary_has_the_scores(scored: Path) -> None:
    _, text = report(scored)
    assert f"<td>{score(scored / 'gt', scored / 'out')['combined']['HOTA']:.2f}</td>" in text


def test_where_there_are_many_the_longest_losses_are_shown(scored: Path) -> None:
    count, text = report(scored, limit=1)
    assert count == 3 and Page(text).tags.count("figure") == 1
    assert 'id="A-11-1"' in text
    assert "3 identity switches and 1 fragmentation. The 1 most serious have a picture; 2 more are in the list" in text


def test_the_list_has_those_without_a_picture_too(scored: Path) -> None:
    _, text = report(scored, limit=1)
    listed = text[text.index("<details>") : text.index("</details>")]
    assert "List of 3 mistakes" in listed and listed.count("<tr>") == 1 + 3
    assert Page(listed).links == ["#A-11-1"]


def test_other_trackers_stand_beside_ours(scored: Path) -> None:
    scores = score(scored / "gt", scored / "out")
    path = scored / "report.html"
    against = {"theirs/<MOT17>": {"combined": scores["combined"] | {"HOTA": 12.34}}}
    write_report(find_sequences([scored / "gt"]), scored / "out", path, scores | {"against": against})
    assert "<td>theirs/&lt;MOT17&gt;</td><td>12.34</td>" in path.read_text(encoding="utf-8")


def test_boxes_are_drawn_over_the_frame_where_there_are_images(scored: Path) -> None:
    _, plain = report(scored)
    folder = scored / "gt" / "A" / "img1"
    folder.mkdir()
    for frame in range(1, 21):
        cv2.imwrite(str(folder / f"{frame:06d}.jpg"), np.full((480, 640, 3), frame * 10, np.uint8))
    _, text = report(scored)
    assert "data:image/jpeg" not in plain
    assert text.count("data:image/jpeg") == 3


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    name = "a<b>&c"
    make_sequence(tmp_path / "gt", name)
    write_results(tmp_path / "out", name, [(f, i + 5 * (f > 10), *box) for f, i, *box in perfect()])
    _, text = report(tmp_path)
    assert "<b>&c" not in text and "a&lt;b&gt;&amp;c" in text


def test_perfect_tracks_give_an_empty_report(tmp_path: Path) -> None:
    make_sequence(tmp_path / "gt", "A")
    write_results(tmp_path / "out", "A", perfect())
    count, text = report(tmp_path)
    assert count == 0 and "figure" not in Page(text).tags
