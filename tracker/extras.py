"""Packages that only some uses need: imported when they are, with one sentence where they are missing."""

from __future__ import annotations

from typing import Any

from tracker.errors import MissingExtraError
from tracker.privacy import imported


def extra(module: str, name: str) -> Any:
    """`module`, which `pip install 'tracker[name]'` brings.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return imported(module)
    except ImportError as missing:
        package = module.partition(".")[0]
        raise MissingExtraError(f"{package} is not installed; run: pip install 'tracker[{name}]'") from missing
