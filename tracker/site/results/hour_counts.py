"""`counts.csv` of an hour: what the `events.jsonl` beside it adds up to, also after a kill."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tracker.analytics.event_writer import counts_table
from tracker.analytics.events import CROSS, ENTER, EXIT, Count
from tracker.system.files import replace_text, writing


@dataclass
class _Sums:
    """Of one place and class."""

    ins: int = 0
    outs: int = 0
    dwells: int = 0
    dwell_s: float = 0.0

    def add(self, event: Mapping[str, Any]) -> None:
        if event["event"] in (CROSS, ENTER, EXIT):
            self.ins += event["direction"] == "in"
            self.outs += event["direction"] == "out"
        if event["event"] == EXIT and event["seconds"] is not None:
            self.dwells += 1
            self.dwell_s += event["seconds"]

    def row(self, now: Count) -> Count:
        """Of the hour: how many are inside stays what it is now; how long those were who left."""
        dwell_s = self.dwell_s / self.dwells if self.dwells else None
        return replace(now, ins=self.ins, outs=self.outs, mean_dwell_s=dwell_s)


class HourCounts:
    """The table of one hour, renewed with every event.

    Args:
        path: of the table. events: what happened in the hour so far, a JSON object a line; what it has is counted.

    Raises:
        OutputError: the events cannot be read.
    """

    def __init__(self, path: Path, events: Path) -> None:
        self._path = path
        self._sums: dict[tuple[str, str], _Sums] = {}
        self._saved = False
        with writing(events):
            lines = events.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines:
            with suppress(ValueError, KeyError, TypeError):  # what a power cut left of a line
                self._add(json.loads(line))

    def take(self, events: Iterable[Mapping[str, Any]], counts: Sequence[Count]) -> None:
        """Add events that were written just now.

        Args:
            counts: a row for each place and class of the camera, of all its time.

        Raises:
            OutputError: the table cannot be written; the next call tries again.
        """
        for event in events:
            self._add(event)
            self._saved = False
        if not self._saved:
            replace_text(self._path, counts_table(self._rows(counts)))
            self._saved = True

    def _rows(self, counts: Sequence[Count]) -> list[Count]:
        """In the places' order; also of what was counted before a kill and is in the events alone."""
        rows = []
        for zone in dict.fromkeys(row.zone for row in counts):
            now = {row.name: row for row in counts if row.zone == zone}
            none = next(iter(now.values()))
            none = replace(none, name="", ins=0, outs=0, inside=None if none.inside is None else 0)
            names = {*now, *(name for place, name in self._sums if place == zone)}
            for name in sorted(names - {""}) or [""]:
                row = now.get(name, replace(none, name=name))
                rows.append(self._sums.get((zone, name), _Sums()).row(row))
        return rows

    def _add(self, event: Mapping[str, Any]) -> None:
        self._sums.setdefault((event["zone"], event["class"]), _Sums()).add(event)
