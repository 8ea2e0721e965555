"""`tracks.parquet` says what the videos' `tracks.csv` say, to whoever reads Parquet."""

import csv
import re
from functools import partial
from pathlib import Path

import pytest

from helpers.clips import pan
from tracker.config import Config
from tracker.datasets.finished_run import FinishedRun
from tracker.datasets.formats.known import FORMATS
from tracker.errors import MissingExtraError
from tracker.jobs.batch.dataset import part_of
from tracker.jobs.batch.pool import WorkerPool
from tracker.jobs.batch.sources import listed
from tracker.jobs.batch.tracking import TrackingPlan
from tracker.jobs.batch.videos import batch
from tracker.jobs.result_folder import Output
from tracker.output.writers import CsvWriter


def plan(project) -> TrackingPlan:
    config = Config().override({"detector": {"imgsz": 160}})
    return TrackingPlan(config, Output(project, video=False, parquet=True))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The results of two videos and a broken one; the name of the second is one that has to be escaped."""
    pytest.importorskip("pyarrow")
    root = tmp_path_factory.mktemp("archive")
    (root / "clips").mkdir()
    for name, frames in (("door", 8), ("50% of=yard ü", 10)):
        pan(root / "clips" / f"{name}.mp4", frames=frames)
    (root / "clips" / "broken.mp4").write_bytes(b"no video\n" * 100)
    result = batch(listed([str(root / "clips")]), plan(root / "out"), partial(WorkerPool, 1))
    assert sorted(row.state for row in result.rows) == ["done", "done", "failed"]
    return root / "out"


def written(archive) -> dict[str, list[tuple]]:
    """Folder of a video -> frame, id, score and left of its rows."""
    tables = {}
    for table in archive.glob("*/tracks.csv"):
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file))
        tables[table.parent.name] = [(int(r["frame"]), int(r["id"]), float(r["score"]), float(r["left"])) for r in rows]
    return {name: rows for name, rows in tables.items() if rows}


def test_duckdb_reads_all_videos_at_once(archive):
    duckdb = pytest.importorskip("duckdb")
    query = f"select video, frame, id, score, \"left\" from '{archive}/tracks.parquet/*/*.parquet'"
    rows = duckdb.sql(query).fetchall()
    expected = [(video, *row) for video, of_video in written(archive).items() for row in of_video]
    assert len(rows) > 20 and sorted(rows) == sorted(expected)


def test_polars_reads_all_videos_at_once(archive):
    polars = pytest.importorskip("polars")
    rows = polars.read_parquet(archive / "tracks.parquet")
    assert set(rows["video"]) == {"door", "50% of=yard ü"} == set(written(archive))
    assert rows["source"].unique().str.ends_with(".mp4").all()
    assert rows.schema["frame"] == polars.Int64 and rows.schema["time_s"] == polars.Float64


@pytest.fixture(scope="module")
def questions():
    """Those of the how-to, in SQL."""
    page = Path(__file__).parents[3] / "docs" / "how-to" / "archive.md"
    (block,) = re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    *questions, rest = block.split(";")
    assert len(questions) == 3 and not rest.strip()
    return questions


@pytest.fixture(scope="module")
def answers(archive, questions):
    """What DuckDB answers."""
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        connection.sql(f"create view tracks as from '{archive}/tracks.parquet/*/*.parquet'")
        return [connection.sql(question).fetchall() for question in questions]


class TestQuestionsOfTheHowTo:
    """Every tool that it names gives the same answers to all three of them."""

    def test_count_the_objects_of_every_hour(self, answers, archive):
        with (archive / "summary.csv").open(newline="") as file:
            objects = len(list(csv.DictReader(file)))
        assert sum(count for *_, count in answers[0]) == objects > 0

    def test_find_the_longest_stays(self, answers):
        assert answers[1] == sorted(answers[1], key=lambda row: (-row[3], *row[:2])) and answers[1][0][3] > 0

    def test_are_answered_alike_by_polars(self, answers, archive, questions):
        polars = pytest.importorskip("polars")
        asked = polars.SQLContext(tracks=polars.scan_parquet(archive / "tracks.parquet"))
        assert [asked.execute(question).collect().rows() for question in questions] == answers

    def test_are_answered_alike_by_spark(self, answers, archive, questions, tmp_path):
        sql = pytest.importorskip("pyspark.sql", reason="pyspark, 490 MB, is not installed")
        builder = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
        with builder.config("spark.sql.warehouse.dir", str(tmp_path)).getOrCreate() as spark:
            spark.read.parquet(str(archive / "tracks.parquet")).createOrReplaceTempView("tracks")
            assert [[tuple(row) for row in spark.sql(question).collect()] for question in questions] == answers


def test_a_part_is_what_track_leaves_of_one_video(archive):
    """With types, units and what is known of the video."""
    parquet = pytest.importorskip("pyarrow.parquet")
    part = archive / part_of("door")
    schema = parquet.read_schema(part)
    assert schema.names == [*CsvWriter.COLUMNS, "source"]
    assert schema.field("time_s").metadata[b"unit"] == b"seconds"
    (said,) = FORMATS["parquet"].read(part)
    assert said.annotations().equals(FinishedRun.read(archive / "door").annotations)
    assert (said.name, said.frame_count) == ("door.mp4", 8)
    assert not (archive / "door" / "tracks.parquet").exists(), "the rows are there once"


def test_without_pyarrow_it_is_said_before_the_first_video(tmp_path):
    try:
        import pyarrow
    except ImportError:
        pan(tmp_path / "1.mp4", frames=2)
        with pytest.raises(MissingExtraError, match=r"pip install 'lstm-tracker\[batch\]'"):
            batch(listed([str(tmp_path / "1.mp4")]), plan(tmp_path / "out"), partial(WorkerPool, 1))
    else:
        pytest.skip(f"pyarrow {pyarrow.__version__} is installed")
