"""The folder of spools: those of destinations that are not named any more are told of, bounded, and removed at last.

What waits in one is sent if its destination is named again within `KEPT_DAYS`; of what all of them hold together no
more than `spool_mb` is kept, the newest.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection
from pathlib import Path

from tracker.system.files import replace_text

KEPT_DAYS = 7.0
_OURS = re.compile(r"([0-9a-f]{16})\.(sqlite|sqlite-wal|sqlite-shm|damaged|url|unused)")

_log = logging.getLogger("tracker.site")


class SpoolFolder:
    """The spools of a site.

    Args:
        project: folder of the results, in which it is. limit: bytes that those which are not in use may have together.

    Attributes:
        folder: where.
    """

    def __init__(self, project: Path, limit: int) -> None:
        self.folder, self._limit = project / "state" / "publish", limit
        self._in_use: set[str] = set()
        self._told: set[str] = set()

    def use(self, spool: Path, shown: str) -> None:
        """This one is in use from now on.

        Args:
            shown: its destination without secrets, by which it is called once it is left.

        Raises:
            OutputError: it cannot be written.
        """
        self._in_use.add(spool.stem)
        replace_text(spool.with_suffix(".url"), shown + "\n")
        spool.with_suffix(".unused").unlink(missing_ok=True)

    def tidy(self, now_s: float) -> None:
        """Tell of those that are not in use, once each, and remove what is too old or too much.

        Args:
            now_s: Unix seconds.
        """
        try:
            left = self._left()
            since = {key: self._since_s(key, now_s) for key in left}
            size = 0
            for key in sorted(left, key=lambda key: -since[key]):
                own = sum(path.stat().st_size for path in left[key])
                size += own
                if now_s - since[key] > KEPT_DAYS * 86400 or size > self._limit:
                    self._remove(key, left[key])
                    size -= own
                elif key not in self._told:
                    until = time.strftime("%Y-%m-%d", time.gmtime(since[key] + KEPT_DAYS * 86400))
                    _log.warning("%s is not published to any more; what waits for it is kept until %s, and sent if it "
                                 "is named again before", self._name(key), until)  # fmt: skip
                self._told.add(key)
        except OSError as error:  # as where somebody removes them meanwhile: the next time
            _log.warning("spools that are left in %s cannot be looked through: %s", self.folder, error)

    def _left(self) -> dict[str, list[Path]]:
        """Key -> files of each that is not in use."""
        left: dict[str, list[Path]] = {}
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            match = _OURS.fullmatch(path.name)
            if match and match[1] not in self._in_use and path.is_file() and not path.is_symlink():
                left.setdefault(match[1], []).append(path)
        return left

    def _since_s(self, key: str, now_s: float) -> float:
        """Since when it was found to be left, which is noted beside it."""
        note = self.folder / f"{key}.unused"
        if not note.is_file():
            note.write_text(f"{now_s:.0f}\n")
        try:
            return min(float(note.read_text()), now_s)
        except ValueError:
            return now_s

    def _remove(self, key: str, files: Collection[Path]) -> None:
        name = self._name(key)
        for path in {*files, self.folder / f"{key}.unused"}:
            path.unlink(missing_ok=True)
        _log.warning("what waited for %s, which is not published to any more, is removed", name)

    def _name(self, key: str) -> str:
        try:
            return (self.folder / f"{key}.url").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return f"the destination of {key}.sqlite"
