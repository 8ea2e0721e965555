"""Libraries that report to their makers, imported so that they send nothing, look nothing up and leave no trace.

Their switches are read while they are imported, so what may bring one of them in comes through `imported`:

- OpenVINO and NNCF tell Google Analytics of every import and conversion, by way of `openvino_telemetry`, and keep a
  number for the user in `~/intel`. Both do without that package where it cannot be imported.
- ONNX Runtime (from 1.29 on, also on Linux) tells Microsoft of every session, and keeps a number in
  `~/.cache/Microsoft`.
- Ray, where it starts a cluster, reports how it is used; one that is joined was started by the user, as the user wants.
- Ultralytics asks two name servers whether it is online, reports runs, installs packages it misses, and writes its
  settings to `~/.config/Ultralytics`. It gets settings of ours, in which all of that is off, and writes nothing: it
  needs no folder for them, neither the user's nor a temporary one.

Variables that the user has set stay as they are, and so does a library that the process has imported before.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from pathlib import Path
from typing import Any

_STAYS = {
    "ORT_DISABLE_TELEMETRY": "1",  # NNCF imports ONNX Runtime when it comes to need it
    "RAY_USAGE_STATS_ENABLED": "0",  # read when a cluster is joined, too
}
_WHILE_IMPORTED = {
    "YOLO_OFFLINE": "True",
    "YOLO_AUTOINSTALL": "False",
    "YOLO_VERBOSE": "False",
    "ULTRALYTICS_SAFE_LOAD": "True",  # its own reading of checkpoints runs no code either
    "YOLO_CONFIG_DIR": str(Path(__file__).parents[1] / "assets"),
}
_lock = threading.Lock()


def imported(module: str) -> Any:
    """`module`, imported quietly. What concerns other programs that the process starts is put back afterwards.

    Raises:
        ImportError: it is not installed, or cannot be loaded.
    """
    if module.partition(".")[0] in sys.modules:
        return importlib.import_module(module)
    with _lock:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: importing it fails
        for key, value in _STAYS.items():
            os.environ.setdefault(key, value)
        added = {key: value for key, value in _WHILE_IMPORTED.items() if key not in os.environ}
        os.environ.update(added)
        try:
            return importlib.import_module(module)
        finally:
            for key in added:
                os.environ.pop(key, None)
