"""What stands in the columns of tables, once for all: order in CSV, types and units in Parquet, words on the page."""

from __future__ import annotations

from typing import NamedTuple


class TableColumn(NamedTuple):
    """A column of a table.

    Attributes:
        name: its heading.
        kind: Arrow's name of its type.
        unit: "" where there is none.
        meaning: in a few words.
    """

    name: str
    kind: str
    unit: str
    meaning: str


TRACKS = (
    TableColumn("frame", "int64", "", "number of the frame in its source, from 1"),
    TableColumn("time_s", "float64", "seconds", "time of the frame by the source's own timestamps"),
    TableColumn("id", "int64", "", "the track, from 1, never reused; what was never confirmed used some numbers up"),
    TableColumn("class", "int64", "", "number of its class, by vote over the track's life"),
    TableColumn("name", "string", "", "name of its class"),
    TableColumn("score", "float64", "0 to 1", "the detector's confidence; of a predicted box, the last one"),
    TableColumn("left", "float64", "pixels", "left edge of the box; x goes to the right"),
    TableColumn("top", "float64", "pixels", "top edge; y goes down"),
    TableColumn("right", "float64", "pixels", "right edge"),
    TableColumn("bottom", "float64", "pixels", "bottom edge"),
    TableColumn("status", "string", "", "`confirmed`: detected in this frame; `predicted`: the motion model's box"),
)
"""Of `tracks.csv` and `tracks.parquet`."""

ON_GROUND = (
    TableColumn("x_m", "float64", "metres", "where on the ground it stands; empty where that is not known"),
    TableColumn("y_m", "float64", "metres", "the same, along the other axis"),
    TableColumn("speed_m_s", "float64", "metres/s", "how fast it goes there"),
    TableColumn(
        "speed_std_m_s", "float64", "metres/s", "standard deviation of that: 1.645 of them each way are a 90 % interval"
    ),
)
"""More of them, with `--camera`."""

SOURCE = TableColumn("source", "string", "", "the video, as `batch.csv` has it")
"""The last one of the `tracks.parquet` that `track batch` leaves."""

CARRIED = (
    TableColumn("mask", "string", "", "the pixels it covers, in COCO's run-length encoding of the frame"),
    TableColumn("keypoints", "list<list<float>>", "pixels, 0 to 1", "x, y, confidence of each point; NaN: not known"),
    TableColumn("corners", "list<list<float>>", "pixels", "x and y of the four corners of its oriented box"),
)
"""More of `track convert --to parquet`, where there are any."""

OBJECT_NAME = TableColumn("object_name", "string", "", "what a person calls the object; empty where it has no name")
"""The last of `tracks.csv`, `tracks.parquet` and `summary.csv` where `track apply` was told names."""

SUMMARY = (
    TableColumn("id", "int64", "", "the track"),
    TableColumn("class", "int64", "", "number of its class"),
    TableColumn("name", "string", "", "name of its class"),
    TableColumn("first_frame", "int64", "", "where it was first reported"),
    TableColumn("last_frame", "int64", "", "where it was last reported"),
    TableColumn("first_s", "float64", "seconds", "the same as times"),
    TableColumn("last_s", "float64", "seconds", "the same as times"),
    TableColumn("frames", "int64", "", "frames it was reported in; fewer than last - first + 1 where it was occluded"),
    TableColumn("mean_score", "float64", "0 to 1", "mean confidence"),
    TableColumn("path_px", "float64", "pixels", "length of the way its centre went"),
    TableColumn("mean_speed_px_s", "float64", "pixels/s", "that length over the time it took"),
)
"""Of `summary.csv`."""

SUMMARY_ON_GROUND = (
    TableColumn("path_m", "float64", "metres", "length of the way on the ground; empty where that is not known"),
    TableColumn("mean_speed_m_s", "float64", "metres/s", "that length over the time it took"),
)
"""More of it, with `--camera`."""

IDENTITIES = (
    TableColumn("identity", "int64", "", "from 1, anew each time that identities are found"),
    TableColumn("video", "string", "", "the folder of the video's results"),
    TableColumn("id", "int64", "", "the track there"),
    TableColumn("name", "string", "", "name of its class"),
    TableColumn("first_s", "float64", "seconds", "where it was first reported, in its video"),
    TableColumn("last_s", "float64", "seconds", "where it was last reported"),
    TableColumn(
        "similarity", "float64", "-1 to 1", "mean to the other tracks of the identity; empty where it is alone"
    ),
    TableColumn(
        "confidence", "float64", "0 to 1", "that this is one object, were both as likely before; empty as above"
    ),
    TableColumn("source", "string", "", "the video"),
)
"""Of `identities.csv` in a gallery (`--gallery`)."""


def names(columns: tuple[TableColumn, ...]) -> tuple[str, ...]:
    """Their headings."""
    return tuple(column.name for column in columns)
