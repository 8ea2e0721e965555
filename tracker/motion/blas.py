"""NumPy's matrix products on the calling thread.

A step of the network multiplies a few dozen rows: too little to share between threads, but more than OpenBLAS takes for
little. Where the other cores are busy (decoding, detecting), it waits for them a hundred times longer than the product
takes. OpenBLAS's switch is global to the process, so it is set for the moment of the step and set back.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tracker.system.process_wide import ProcessWide


def _switch() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """OpenBLAS's thread count, to read and to set; None where NumPy came with another BLAS."""
    home = Path(np.__file__).parent
    folders = (home.parent / "numpy.libs", home / ".dylibs", home / ".libs")
    for path in (path for folder in folders for path in sorted(folder.glob("*openblas*"))):
        try:
            library = ctypes.CDLL(str(path))  # NumPy has loaded it: this is the same one, not a second
        except OSError:
            continue
        for name in ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads"):
            if hasattr(library, name.format("set")) and hasattr(library, name.format("get")):
                return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return None


_found = _switch()


def _alone() -> int:
    if _found is None:
        return 0
    get, put = _found
    before = get()
    put(1)
    return before


def _as_before(count: int) -> None:
    if _found is not None:
        _found[1](count)


one_thread = ProcessWide(_alone, _as_before)
"""Within `one_thread()`, NumPy's matrix products use one thread; does nothing with a BLAS other than OpenBLAS."""
