"""Pages served by a command until it is ended."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.system.extras import extra
from tracker.web.bind import read_token
from tracker.web.listener import HttpListener

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def serve(bind: str, token_file: Path | None, application: Callable[[str | None], ASGIApp], what: str) -> None:
    """Serve pages until Ctrl-C, and say where on stderr.

    Args:
        bind: HOST:PORT. token_file: its first line is asked for. application: token -> what is asked. what: the pages,
            in a word or two.

    Raises:
        UsageError, ConfigError, OutputError: as of `HttpListener` and `read_token`. MissingExtraError: starlette or
            uvicorn is not installed.
    """
    for module in ("starlette", "uvicorn"):
        extra(module, "viewer")
    token = read_token("" if token_file is None else str(token_file))
    listener = HttpListener(bind, token, lambda: application(token))
    listener.start()
    print(f"{what} at http://{listener.shown} (Ctrl-C ends it)", file=sys.stderr, flush=True)
    try:
        wait()
    except KeyboardInterrupt:
        pass
    finally:
        listener.stop()


def wait() -> None:
    """Until interrupted."""
    threading.Event().wait()
