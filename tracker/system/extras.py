"""What only some uses or systems lack: packages that are imported when they are needed, libraries of the system's.

One sentence where they are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tracker.errors import MissingExtraError
from tracker.system.privacy import imported


def extra(module: str, name: str) -> Any:
    """`module`, which `pip install 'lstm-tracker[name]'` brings; it sends nothing and looks nothing up.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return imported(module)
    except ImportError as missing:
        package = module.partition(".")[0]
        raise MissingExtraError(f"{package} is not installed; run: pip install 'lstm-tracker[{name}]'") from missing


@contextmanager
def system_libraries() -> Iterator[None]:
    """For whatever imports OpenCV, whose wheel takes for granted what a minimal system (a slim container) lacks.

    Raises:
        MissingExtraError: one of these libraries is missing.
    """
    try:
        yield
    except ImportError as error:
        library, _, problem = str(error).partition(": ")
        if error.name != "cv2" or "shared object" not in problem:
            raise
        raise MissingExtraError(
            f"OpenCV needs {library}, which this system lacks; run: apt-get install libgl1 libglib2.0-0, or, where no "
            "window is wanted: pip install --force-reinstall opencv-python-headless"
        ) from error
