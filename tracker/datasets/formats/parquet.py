"""Parquet (https://parquet.apache.org/docs/file-format/): the columns of `tracks.csv` with types, each with its `unit`
and `meaning` in the schema's metadata; by row groups, so that neither side needs all rows in memory.

The schema's own metadata says of the video: `name`, `width`, `height`, `frames`, `frames_per_s`, `step`. Masks are
texts in COCO's run-length encoding, keypoints and corners lists. A row that is `predicted` is occluded.

Not in the format: what is a keyframe, where that is not what is `confirmed`.

Needs `pip install 'lstm-tracker[formats]'`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.columns.carried import Columns
from tracker.columns.documented import CARRIED, TRACKS, TableColumn, names
from tracker.columns.masks import Masks
from tracker.datasets.annotations import Annotations, times_of_all
from tracker.datasets.formats.format import FileFormat, blocks
from tracker.datasets.formats.rows import MOST_FRAMES, Said
from tracker.errors import DataError, InputError
from tracker.system.extras import extra
from tracker.system.files import replacing

_CSV_BLOCK = 1 << 22  # bytes
_AGAIN = "write it again with track convert or track --parquet"


def schema(columns: Sequence[TableColumn], about: dict[str, str]) -> Any:
    """Arrow's schema of columns, with their units.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    arrow = extra("pyarrow", "formats")
    kinds: dict[str, Callable[[], Any]] = {
        "int64": arrow.int64,
        "float64": arrow.float64,
        "string": arrow.string,
        "list<list<float>>": lambda: arrow.list_(arrow.list_(arrow.float32())),
    }
    return arrow.schema(
        [
            arrow.field(column.name, kinds[column.kind](), metadata={"unit": column.unit, "meaning": column.meaning})
            for column in columns
        ],
        metadata=about,
    )


def write(videos: Sequence[Annotations], out: Path) -> None:
    """Write the one video into the file `out`.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    (video,) = videos
    parquet = extra("pyarrow.parquet", "formats")
    arrow = extra("pyarrow", "formats")
    rows, carried = video.by_frame, video.columns
    there = {"mask": carried.masks, "keypoints": carried.keypoints, "corners": carried.corners}
    more = [column for column in CARRIED if there[column.name] is not None]
    layout = schema([*TRACKS, *more], about(video))
    with replacing(out) as file, parquet.ParquetWriter(file, layout, compression="zstd") as writer:
        for block in blocks(rows):
            part = rows[block]
            values = _values(part)
            writer.write_batch(arrow.record_batch([arrow.array(values[f.name], f.type) for f in layout], schema=layout))


def about(video: Annotations) -> dict[str, str]:
    """What a file says beside its rows."""
    width, height = video.size
    return {
        "name": video.name,
        "width": f"{width}",
        "height": f"{height}",
        "frames": f"{video.frame_count}",
        "frames_per_s": f"{video.frames_per_s!r}",
        "step": f"{video.step}",
    }


def _values(part: Annotations) -> dict[str, Any]:
    """What stands in each column."""
    carried = part.columns
    masks = None if carried.masks is None else [one and one["counts"] for one in carried.masks.to_coco()]
    return {
        "frame": part.frames,
        "time_s": part.times_s[part.frames - 1],
        "id": part.ids,
        "class": part.classes,
        "name": part.class_names,
        "score": part.scores,
        **dict(zip(("left", "top", "right", "bottom"), part.xyxy.T, strict=True)),
        "status": np.where(part.occluded, "predicted", "confirmed").tolist(),
        "mask": masks,
        "keypoints": _lists(carried.keypoints),
        "corners": _lists(carried.corners),
    }


def _lists(values: NDArray[np.float32] | None) -> list[Any] | None:
    """None for rows of NaN alone."""
    if values is None:
        return None
    known = np.asarray(np.isfinite(values).any(axis=(1, 2)))
    return [row if there else None for row, there in zip(values.tolist(), known.tolist(), strict=True)]


def from_table(table: Path, out: Path, columns: Sequence[TableColumn], about: dict[str, str]) -> None:
    """Write a table in CSV as Parquet; a few megabytes of it are in memory at a time.

    Raises:
        MissingExtraError: pyarrow is not installed. OutputError: the file cannot be written; none is left.
    """
    parquet, csv, arrow = (extra(module, "formats") for module in ("pyarrow.parquet", "pyarrow.csv", "pyarrow"))
    layout = schema(columns, about)
    options = {
        "read_options": csv.ReadOptions(block_size=_CSV_BLOCK),
        "parse_options": csv.ParseOptions(newlines_in_values=True),
        "convert_options": csv.ConvertOptions(column_types=layout),
    }
    with (
        replacing(out) as file,
        parquet.ParquetWriter(file, layout, compression="zstd") as writer,
        csv.open_csv(table, **options) as batches,
    ):
        for batch in batches:
            writer.write_batch(arrow.record_batch(batch.columns, schema=layout))


def read(path: Path) -> list[Said]:
    """What a file says of its video.

    Raises:
        MissingExtraError: pyarrow is not installed. DataError: it is no such file.
    """
    parquet = extra("pyarrow.parquet", "formats")
    arrow = extra("pyarrow", "formats")
    try:
        with parquet.ParquetFile(path) as file:
            about = {key.decode(): text.decode() for key, text in (file.schema_arrow.metadata or {}).items()}
            wanted = [name for name in (*names(TRACKS), *names(CARRIED)) if name in file.schema_arrow.names]
            classes: dict[int, str] = {}
            parts = [_columns(batch, classes) for batch in file.iter_batches(columns=wanted)]
            if not parts:
                fields = [file.schema_arrow.field(name) for name in wanted]
                none = [arrow.array([], field.type) for field in fields]
                parts = [_columns(arrow.record_batch(none, schema=arrow.schema(fields)), classes)]
        columns = {name: _joined([part[name] for part in parts]) for name in parts[0]}
        return [_said(str(path), columns, classes, about)]
    except (OSError, arrow.ArrowException, UnicodeDecodeError, KeyError, ValueError, TypeError, InputError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is not as `track` writes Parquet ({text}); {_AGAIN}") from error


def _columns(batch: Any, classes: dict[int, str]) -> dict[str, Any]:
    """Columns of a batch: numbers as arrays, others as lists; the names of `classes` are added there."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    named, status = columns.pop("name"), columns.pop("status")
    found = {
        name: column.to_pylist() if name in names(CARRIED) else column.to_numpy(zero_copy_only=False)
        for name, column in columns.items()
    }
    kinds, first = np.unique(found["class"], return_index=True)
    classes |= {kind: named[row].as_py() for kind, row in zip(kinds.tolist(), first.tolist(), strict=True)}
    predicted = extra("pyarrow.compute", "formats").equal(status, "predicted")
    return found | {"predicted": predicted.to_numpy(zero_copy_only=False).astype(bool)}


def _joined(parts: list[Any]) -> Any:
    return [one for part in parts for one in part] if isinstance(parts[0], list) else np.concatenate(parts)


def _said(where: str, columns: dict[str, Any], classes: dict[int, str], about: dict[str, str]) -> Said:
    width, height, count = (int(about[key]) for key in ("width", "height", "frames"))
    rate, frames = float(about["frames_per_s"]), columns["frame"]
    masks = columns.get("mask")
    encoded = [text and {"size": (height, width), "counts": text} for text in masks or ()]
    return Said(
        where,
        frames=frames,
        ids=columns["id"],
        xyxy=np.column_stack([columns[edge] for edge in ("left", "top", "right", "bottom")]),
        classes=columns["class"],
        names=classes,
        name=about["name"],
        size=(width, height),
        frame_count=count,
        frames_per_s=rate,
        times_s=times_of_all(frames, columns["time_s"], count, 1 / rate) if count <= MOST_FRAMES else None,
        scores=columns["score"],
        occluded=columns["predicted"],
        keyframes=~columns["predicted"],
        columns=Columns(
            masks=Masks.from_coco(encoded, (height, width)) if masks else None,
            keypoints=_arrays(columns.get("keypoints")),
            corners=_arrays(columns.get("corners")),
        ),
        step=int(about["step"]),
    )


def _arrays(rows: list[Any] | None) -> NDArray[np.float32] | None:
    known = [row for row in rows or () if row is not None]
    if rows is None or not known:
        return None
    values = np.full((len(rows), *np.shape(known[0])), np.nan, np.float32)
    values[[row is not None for row in rows]] = known
    return values


PARQUET = FileFormat("Parquet", read, write, ".parquet", many=False, lacks=frozenset())
