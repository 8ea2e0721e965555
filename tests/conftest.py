"""What takes long to make and is tested in several places."""

import fcntl
import json
import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tracker.config import Config
from tracker.system.privacy import imported

# A busy machine is slow, not wrong; and who installs this gets the examples that passed here. New ones are looked for
# with `pytest --hypothesis-profile explore`.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("same")
imported("ultralytics.utils")  # before a test does: its own import asks name servers and writes to the home folder


@pytest.fixture(autouse=True)
def heard() -> None:
    """Ctrl-C as a terminal has it: a process that was started in the background ignores it from its start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def int8_cache(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Config, list[str]]:
    """A cache folder with the INT8 networks of the embedded weights, one for all processes of a test run; how they were
    made: the configuration that uses them, and what was said."""
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    from tracker.export.int8 import prepared

    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "int8-cache"
    folder.mkdir(exist_ok=True)
    heard = folder.with_suffix(".json")
    with pytest.MonkeyPatch.context() as patch, folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.setattr("tracker.export.calibration_data.FRAMES", 40)
        config = Config().override({"detector": {"imgsz": 320}, "device": "cpu", "engine": "openvino-int8"})
        said: list[str] = []
        config = prepared(config, said.append)
        if not heard.exists():
            heard.write_text(json.dumps(said))
        return folder, config, json.loads(heard.read_text())
