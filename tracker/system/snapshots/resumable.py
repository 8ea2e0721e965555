"""A part of a run that a later process can go on with: which of its attributes are saved, and which are made anew.

What a tracker itself knows is `Stateful` (`tracker/system/state.py`), whose arrays have fixed types and shapes. What is
around it, writers and what waits for them, holds dictionaries, queues and records: any plain data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

Names = tuple[str, ...]
Snapshot = dict[str, Any]
"""Attributes by name; those of a part are a dictionary of their own."""


class Resumable:
    """Every attribute is in one of two lists.

    Attributes:
        saved: what the next frame depends on: numbers, texts, arrays, collections and dataclasses of these (as
            `packing` takes them), or another `Resumable`.
        rebuilt: all others: what the constructor makes, or `_taken_over` from what is saved.
    """

    saved: ClassVar[Names] = ()
    rebuilt: ClassVar[Names] = ()

    def snapshot(self) -> Snapshot:
        """What is saved. It is this object's own: pack it before the next frame changes it."""
        held = {name: getattr(self, name) for name in self.saved}
        return {
            name.removeprefix("_"): value.snapshot() if isinstance(value, Resumable) else value
            for name, value in held.items()
        }

    def take_over(self, snapshot: Mapping[str, Any]) -> None:
        """Go on with a snapshot of an object that was made alike. Only for one just made."""
        for name in self.saved:
            part, value = getattr(self, name), snapshot[name.removeprefix("_")]
            if isinstance(part, Resumable):
                part.take_over(value)
            else:
                setattr(self, name, value)
        self._taken_over()

    def _taken_over(self) -> None:
        """Make anew what is not saved."""
