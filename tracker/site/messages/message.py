"""What is sent: a JSON object for each start, update and end of a visit, each event of a zone or line, and what these
add up to.

`message.schema.json` beside this file describes them. A message's id follows from what it tells, so one that is sent
twice, after a connection broke or a machine restarted, has the same id both times.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracker.analytics.events import Count
from tracker.site.feed import Moment, Visit
from tracker.structures import Floats

VERSION = 2  # 1 had no metres and no counts
SCHEMA = Path(__file__).with_name("message.schema.json")
START, UPDATE, END, EVENT, COUNTS = "start", "update", "end", "event", "counts"

_SPACE = uuid.UUID("8d1f6f3e-5b0e-4f43-9d0b-6c1f1c6a7f10")  # of the ids below; any fixed one would do
_DIGITS = 4  # of an embedding's values, which are below 1


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        kind: `start`, `update`, `end`, `event` or `counts`. camera: its name. body: JSON, one line, UTF-8.
    """

    kind: str
    camera: str
    body: str


def of_visit(kind: str, camera: str, visit: Visit, embedding: Floats | None = None) -> Message:
    """An object that came, is here or has left.

    Args:
        embedding: (D,) its appearance, unit length; None: not sent.
    """
    time_s = visit.start_s if kind == START else visit.last_s
    track: dict[str, Any] = {
        "id": visit.id,
        "class": visit.name,
        "class_id": visit.number,
        "start_s": visit.start_s,
        "last_s": visit.last_s,
        "frames": visit.frames,
        "box_ltrb_px": [round(side, 2) for side in visit.box],
        "score": round(visit.score, 4),
    }
    if visit.position_m is not None:
        track["position_m"] = [round(side, 3) for side in visit.position_m]
    if visit.speed_m_s is not None:
        track["speed_m_s"] = round(visit.speed_m_s, 3)
    if embedding is not None:
        track["embedding"] = [round(value, _DIGITS) for value in embedding.tolist()]
    told = [kind, camera, visit.id, visit.start_s, *([visit.last_s] if kind == UPDATE else [])]
    return _message(kind, camera, time_s, told, {"track": track})


def of_event(camera: str, event: Mapping[str, Any], time_s: float) -> Message:
    """What happened at a line or in a zone, as `events.jsonl` has it.

    Args:
        time_s: Unix seconds of the frame that told it, for an event without a time of its own.
    """
    when_s = float(event.get("time_s", time_s))
    return _message(EVENT, camera, when_s, [EVENT, camera, dict(event)], {"event": dict(event)})


def of_counts(camera: str, counts: Iterable[Count], time_s: float) -> Message:
    """What came in and went out at each line and zone so far, and how many are inside.

    Args:
        time_s: Unix seconds of the frame by which it is so.
    """
    rows = [as_row(row) for row in counts]
    return _message(COUNTS, camera, time_s, [COUNTS, camera, time_s], {"counts": rows})


def as_row(row: Count) -> dict[str, Any]:
    """Under the names of `counts.csv`."""
    return {"zone": row.zone, "class": row.name, "in": row.ins, "out": row.outs, "inside": row.inside}


def news(moment: Moment, embeddings: Mapping[int, Floats] | None = None) -> Iterator[Message]:
    """What happened by a moment, in the order in which it did: who left, who came, and events.

    Args:
        embeddings: id -> (D,) appearance, where it is sent.
    """
    known = embeddings or {}
    for kind, visits in ((END, moment.ended), (START, moment.started)):
        for visit in visits:
            yield of_visit(kind, moment.camera, visit, known.get(visit.id))
    for event in moment.events:
        yield of_event(moment.camera, event, moment.time_s)


def _message(kind: str, camera: str, time_s: float, told: Any, content: Mapping[str, Any]) -> Message:
    name = str(uuid.uuid5(_SPACE, json.dumps(told, sort_keys=True)))
    body = {"schema": VERSION, "message_id": name, "type": kind, "camera": camera, "time_s": time_s, **content}
    return Message(kind, camera, json.dumps(_plain(body), ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def _plain(value: Any) -> Any:
    """The same without what JSON has no word for: what is not a number becomes null."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
