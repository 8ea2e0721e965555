"""`track report`: one file that says of a run what its tables say, and needs nothing else."""

import csv
import html
import json
import re
import shutil

import numpy as np
import pytest
import yaml

from helpers.browser import browser
from helpers.clips import crossing, pan
from helpers.commands import ended
from tracker import Config, GroundPlane, Tracker, Zones
from tracker.cli import main
from tracker.datasets.annotations import Annotations
from tracker.datasets.finished_run import FinishedRun
from tracker.errors import DataError
from tracker.jobs.corrections.apply import apply
from tracker.jobs.corrections.edits import EditList, Reclassify, Rename, fingerprint
from tracker.jobs.run import Output, run
from tracker.viewer.report import album as pictures
from tracker.viewer.report.backdrop import backdrop
from tracker.viewer.report.document import document
from tracker.viewer.report.map_figures import places_shown
from tracker.viewer.report.numbers.places import zone_numbers
from tracker.viewer.report.numbers.timeline import Timeline

PIXELS = [[0, 0], [320, 0], [0, 240], [320, 240]]
GROUND = GroundPlane.from_points(PIXELS, [[x / 40, y / 40] for x, y in PIXELS])  # seen from above
HOSTILE = '<img src="http://127.0.0.1:9/x" onerror="document.title=1">&\'</script><b>'
PLACES = {
    "lines": {"middle": {"points": [[160, 240], [160, 0]], "anchor": "centre"}, HOSTILE: {"points": [[1, 1], [9, 9]]}},
    "zones": {"right": {"points": [[165, 5], [300, 5], [300, 239], [165, 239]], "anchor": "centre"}},
}


@pytest.fixture(scope="module")
def tracker():
    return Tracker(Config().override({"detector": {"imgsz": 320, "classes": ["person"]}, "device": "cpu"}))


@pytest.fixture(scope="module")
def left(tracker, tmp_path_factory):
    """The folder of a run with lines, zones, metres and pictures of two people who cross."""
    folder = tmp_path_factory.mktemp("run")
    clip = crossing(folder / "crossing.mp4")
    zones = Zones.parsed(PLACES, "zones.yaml")
    (result,) = run([clip], tracker, Output(folder, crops=True, video=False), zones=zones, ground=GROUND)
    return result.folder


@pytest.fixture
def folder(left, tmp_path):
    """A copy of it, to be changed."""
    return shutil.copytree(left, tmp_path / "run")


@pytest.fixture(scope="module")
def plain(tracker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    (result,) = run([pan(folder / "pan.mp4", 12)], tracker, Output(folder, video=False))
    return result.folder


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def rows_of(page, heading):
    """Cells of the tables of a section."""
    section = page.partition(f"<h2>{heading}</h2>")[2].partition("</section>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", section)
    return [[html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", row)] for row in rows if "<td>" in row]


def data_of(page):
    return json.loads(page.partition('id="data">')[2].partition("</script>")[0])


def edited(folder, **changes):
    record = yaml.safe_load((folder / "run.yaml").read_text())
    (folder / "run.yaml").write_text(yaml.safe_dump(record | changes))
    return FinishedRun.read(folder)


class TestWhatItSays:
    @pytest.mark.slow
    def test_crossings_and_stays_are_those_of_the_counts(self, left):
        page = document(FinishedRun.read(left))
        counts = table(left / "counts.csv")
        assert sum(int(row["in"]) for row in counts) > 0, "nobody crossed anything"
        lines = [[r["zone"], r["class"] or "–", r["in"], r["out"]] for r in counts if not r["inside"]]
        assert [row[:4] for row in rows_of(page, "Crossings")] == lines
        zones = [[r["zone"], r["class"], r["in"], r["out"], r["inside"]] for r in counts if r["inside"]]
        found = rows_of(page, "Zones")
        assert [row[:5] for row in found] == zones
        for row, expected in zip(found, [r for r in counts if r["inside"]], strict=True):
            assert float(row[5].removesuffix(" s")) == pytest.approx(float(expected["mean_dwell_s"]), abs=0.06)

    def test_objects_are_those_of_the_summary(self, left):
        data = data_of(document(FinishedRun.read(left)))
        summary = table(left / "summary.csv")
        assert data["metric"] and len(summary) >= 2
        for row, expected in zip(data["rows"], summary, strict=True):
            assert [row[0], data["classes"][row[1]]] == [int(expected["id"]), expected["name"]]
            assert row[2:4] == pytest.approx([float(expected["first_s"]), float(expected["last_s"])], abs=0.006)
            assert row[6] == (pytest.approx(float(expected["path_m"]), abs=0.06) if expected["path_m"] else None)

    def test_speeds_are_medians_of_the_table_in_km_h_with_their_interval(self, left):
        rows = table(left / "tracks.csv")
        told = [row for row in data_of(document(FinishedRun.read(left)))["rows"] if row[7] is not None]
        assert told
        for row in told:
            of = [r for r in rows if int(r["id"]) == row[0] and r["speed_m_s"]]
            speed, std = (3.6 * np.median([float(r[name]) for r in of]) for name in ("speed_m_s", "speed_std_m_s"))
            assert row[7:10] == pytest.approx([speed, max(0, speed - 1.645 * std), speed + 1.645 * std], abs=0.06)

    def test_every_object_has_its_picture_until_too_many_bytes_are_needed(self, left, monkeypatch):
        data = data_of(document(FinishedRun.read(left)))
        assert set(data["pictures"]) == {path.stem for path in (left / "crops").glob("*.jpg")} != set()
        monkeypatch.setattr(pictures, "_BYTES", 1 + len(next(iter(data["pictures"].values()))))
        assert len(data_of(document(FinishedRun.read(left)))["pictures"]) <= 1

    def test_no_picture_is_of_somebody_else_s(self, folder, tmp_path):
        """A link in the folder of a stranger's run may lead to any picture of who makes the report."""
        private = tmp_path / "private.jpg"
        shutil.copy(next((folder / "crops").glob("*.jpg")), private)
        for path in (folder / "crops").glob("*.jpg"):
            path.unlink()
            path.symlink_to(private)
        assert data_of(document(FinishedRun.read(folder)))["pictures"] == {}

    def test_it_has_the_picture_and_the_ground_with_heat_and_paths(self, left):
        page = document(FinishedRun.read(left))
        assert page.count('<img src="data:image/jpeg;base64,') == 4
        assert "the ground from above; a line every 1 m" in page

    def test_a_run_without_zones_camera_and_crops_has_the_rest(self, plain):
        page = document(FinishedRun.read(plain))
        assert "<h2>Over time</h2>" in page and page.count('<img src="data:image/jpeg;base64,') == 2
        assert not any(f"<h2>{name}</h2>" in page for name in ("Crossings", "Zones", "Speed"))
        data = data_of(page)
        assert not data["metric"] and not data["pictures"] and len(data["rows"]) == len(table(plain / "summary.csv"))

    def test_the_same_run_has_the_same_bytes(self, left):
        assert document(FinishedRun.read(left)) == document(FinishedRun.read(left))

    def test_a_run_that_was_killed_is_told_as_far_as_it_got(self, folder):
        record = yaml.safe_load((folder / "run.yaml").read_text())
        del record["result"]
        (folder / "run.yaml").write_text(yaml.safe_dump(record))
        (folder / "summary.csv").write_text((folder / "summary.csv").read_text().splitlines()[0] + "\n")
        page = document(FinishedRun.read(folder))
        assert "did not end as it should" in page
        assert all(row[6] is None for row in data_of(page)["rows"])

    def test_nothing_tracked_is_told_too(self, folder):
        (folder / "tracks.csv").write_text((folder / "tracks.csv").read_text().splitlines()[0] + "\n")
        (folder / "events.jsonl").write_text("")
        page = document(FinishedRun.read(folder))
        assert "nothing was tracked" in page and "<img" not in page and not data_of(page)["rows"]


def test_it_says_what_a_person_corrected(folder):
    assert "Corrected by hand" not in document(FinishedRun.read(folder))
    EditList(fingerprint(folder), (Rename(1, "Anna"), Reclassify(1, "child"))).save(folder)
    page = document(FinishedRun.read(apply(folder, video=False).folder))
    assert "<dt>Corrected by hand</dt><dd>2 edits</dd>" in page and data_of(page)["called"] == {"1": "Anna"}
    for lie in ({"edits": "<b>"}, {"edits": 0}, [], 7):
        assert "Corrected by hand" not in document(edited(folder, corrected=lie))


class TestThePictureBehindTheMaps:
    def test_is_the_place_without_who_goes_there(self, left):
        found = backdrop(FinishedRun.read(left))
        assert found.filmed and not found.annotated
        assert found.image.shape == (240, 320, 3)

    def test_is_grey_where_the_video_is_not_there_any_more(self, folder):
        record = yaml.safe_load((folder / "run.yaml").read_text())
        gone = edited(folder, source=record["source"] | {"given": "gone.mp4"})
        assert not backdrop(gone).filmed and "no picture" in document(gone)

    def test_is_never_of_the_video_itself_where_objects_were_made_unreadable(self, folder):
        assert not backdrop(edited(folder, blur=["person"])).filmed
        shutil.copy(FinishedRun.read(folder).source, folder / "video.mp4")
        assert backdrop(edited(folder, blur=["person"])).annotated


class TestNames:
    def test_are_only_text(self, folder):
        text = (folder / "tracks.csv").read_text().replace("person", '"' + HOSTILE.replace('"', '""') + '"')
        (folder / "tracks.csv").write_text(text)
        record = yaml.safe_load((folder / "run.yaml").read_text())
        record["source"]["given"] = HOSTILE
        (folder / "run.yaml").write_text(yaml.safe_dump(record))
        page = document(FinishedRun.read(folder), HOSTILE)
        assert '<img src="http' not in page and "</script><b>" not in page
        assert page.count(html.escape(HOSTILE).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")) >= 4
        with browser() as chromium:
            shown, asked, said = opened(chromium, page, folder)
            assert shown.title() == HOSTILE and asked == [] and said == []
            assert HOSTILE in shown.locator("#table tbody").inner_text()

    def test_that_are_long_do_not_widen_the_page(self, folder):
        record = yaml.safe_load((folder / "run.yaml").read_text())
        record["zones"]["lines"]["x" * 300] = record["zones"]["lines"].pop("middle")
        (folder / "run.yaml").write_text(yaml.safe_dump(record))
        with browser() as chromium:
            shown, _, _ = opened(chromium, document(FinishedRun.read(folder)), folder, width=390)
            assert shown.evaluate("document.documentElement.scrollWidth") <= 390


def opened(chromium, page, folder, width=1440):
    """A page as a browser shows it, what it asked for but itself, and what it said."""
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    shown = chromium.new_page(viewport={"width": width, "height": 900})
    asked, said = [], []
    shown.on("request", lambda request: asked.append(request.url) if request.url != path.as_uri() else None)
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.goto(path.as_uri())
    return shown, [url for url in asked if not url.startswith("data:")], said


class TestInABrowser:
    def test_it_asks_for_nothing_and_its_table_can_be_sorted_and_searched(self, left, tmp_path):
        page = document(FinishedRun.read(left))
        ids = [str(row[0]) for row in data_of(page)["rows"]]
        with browser() as chromium:
            shown, asked, said = opened(chromium, page, tmp_path)

            def first():
                return shown.locator("#table tbody tr td.key:nth-child(2)").all_inner_texts()

            assert first() == ids
            shown.get_by_role("button", name="object").click()
            assert first() == ids[::-1]
            shown.locator("#search").fill(ids[1])
            assert first() == [ids[1]] and "1 to 1 of 1" in shown.locator("#found").inner_text()
            shown.locator("#search").fill("nobody")
            assert first() == [] and asked == [] and said == []
            pictures_shown = shown.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
            assert pictures_shown

    def test_ten_thousand_objects_are_shown_a_page_at_a_time_and_printed_in_part(self, left, tmp_path):
        page = document(FinishedRun.read(left))
        data = data_of(page)
        data["rows"] = [[number, *data["rows"][0][1:]] for number in range(1, 10_001)]
        before, after = page.partition('id="data">')[::2]
        page = f'{before}id="data">{json.dumps(data)}</script>{after.partition("</script>")[2]}'
        with browser() as chromium:
            shown, _, said = opened(chromium, page, tmp_path)
            rows = shown.locator("#table tbody tr")
            assert rows.count() == 50 and shown.locator("#found").inner_text() == "1 to 50 of 10,000"
            shown.get_by_label("Further rows").click()
            assert rows.first.locator(".key").first.inner_text() == "51"
            shown.evaluate("dispatchEvent(new Event('beforeprint'))")
            assert rows.count() == 200 and rows.first.locator(".key").first.inner_text() == "1"
            shown.evaluate("dispatchEvent(new Event('afterprint'))")
            assert rows.count() == 50 and said == []


class TestTheCommand:
    def test_leaves_one_file_in_the_folder_and_says_where(self, folder, capsys):
        before = {path.name for path in folder.iterdir()}
        for _ in range(2):  # its own is replaced
            with pytest.raises(SystemExit) as left:
                main(["report", str(folder), "--title", "Main street"])
            assert left.value.code == 0
            assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
        assert {path.name for path in folder.iterdir()} - before == {"report.html", ".made-by-track-report"}
        assert "<h1>Main street</h1>" in (folder / "report.html").read_text(encoding="utf-8")

    def test_writes_where_it_is_asked_to(self, folder, tmp_path, capsys):
        code, _ = ended(["report", str(folder), "--out", str(tmp_path / "made" / "here.html")], capsys)
        assert code == 0 and (tmp_path / "made" / "here.html").is_file() and not (folder / "report.html").exists()

    def test_asks_for_a_file_where_it_is_given_a_folder(self, folder, capsys):
        code, said = ended(["report", str(folder), "--out", str(folder.parent)], capsys)
        wanted = f"error: {folder.parent} is a folder; name a file, such as {folder.parent / 'report.html'}\n"
        assert (code, said) == (2, wanted)

    def test_reads_what_was_corrected_and_the_names_that_objects_were_given(self, folder, capsys):
        corrected = shutil.copytree(folder, folder / "corrected")
        header, *rows = (corrected / "summary.csv").read_text().splitlines()
        lines = [f"{header},object_name", f'{rows[0]},"Anna, <b>"', *(f"{row}," for row in rows[1:])]
        (corrected / "summary.csv").write_text("\n".join(lines) + "\n")
        gone = [line for line in (corrected / "tracks.csv").read_text().splitlines() if ",predicted," not in line]
        (corrected / "tracks.csv").write_text("\n".join(gone) + "\n")
        assert ended(["report", str(corrected)], capsys)[0] == 0
        page = (corrected / "report.html").read_text(encoding="utf-8")
        assert list(data_of(page)["called"].values()) == ["Anna, <b>"]
        with browser() as chromium:
            shown, _, _ = opened(chromium, page, corrected)
            shown.locator("#search").fill("anna")
            assert shown.locator("#table tbody tr").count() == 1
            assert "Anna, <b>" in shown.locator("#table tbody").inner_text()

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("tracks.csv", "was not made by track report"),
            ("run.yaml", "was not made by"),
            ("crops", "is a folder; name a file"),
        ],
    )
    def test_replaces_no_other_file(self, folder, capsys, name, words):
        before = (folder / name).read_bytes() if (folder / name).is_file() else None
        code, said = ended(["report", str(folder), "--out", str(folder / name)], capsys)
        assert code in (1, 2) and (words in said or "is the input" in said) and said.count("\n") == 1
        assert before is None or (folder / name).read_bytes() == before

    def test_says_what_is_wrong_with_the_folder(self, tmp_path, capsys):
        code, said = ended(["report", str(tmp_path)], capsys)
        assert code == 1 and "has no run.yaml" in said and said.count("\n") == 1

    @pytest.mark.parametrize("part", ["zones", "camera"])
    def test_and_with_its_record(self, folder, part):
        broken = edited(folder, **{part: {"nonsense": 1}})
        with pytest.raises(DataError, match=r"run\.yaml"):
            document(broken)


def test_texts_of_places_on_a_map_do_not_lie_on_each_other():
    here = {"points": [[100, 100], [200, 100], [200, 150], [100, 150]]}
    zones = Zones.parsed({"zones": {f"zone {number}": here for number in range(4)}}, "zones.yaml")
    time = Timeline.of(Annotations(*[np.zeros(0)] * 7, np.arange(3.0), (320, 240), {}))
    shown = places_shown(zones, [], [zone_numbers(place.name, [], time, 0.0) for place in zones.places], (320, 240))
    assert (np.diff(sorted(place.y for place in shown)) >= 9.9).all() and len({place.course for place in shown}) == 1


def test_frames_that_repeat_the_one_before_are_not_told_as_not_looked_at(folder):
    record = yaml.safe_load((folder / "run.yaml").read_text())
    frames = record["result"]["frames"]
    repeats = record["result"] | {"frames_looked_at": frames - 10, "frames_repeated": 10}
    assert "The detector looked at" not in document(edited(folder, result=repeats))
    rarely = record["result"] | {"frames_looked_at": frames // 2, "frames_repeated": 0}
    assert "The detector looked at 50 % of all different frames." in document(edited(folder, result=rarely))
