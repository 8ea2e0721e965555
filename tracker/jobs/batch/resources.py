"""How many processes a machine has room for: its cores and its memory, as far as this process may use them."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

PROCESS_BYTES = 1_500_000_000  # of one that tracks: .9 GB at 1080p without video, more with larger frames
_CGROUP = Path("/sys/fs/cgroup")  # of a container, version 2


def processes() -> int:
    """As many as there are cores, and as free memory has room for; at least 1."""
    return max(1, min(cores(), free_bytes() // PROCESS_BYTES))


def cores() -> int:
    """Cores that this process may run on: of the machine, of its affinity, of its container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _of_container("cpu.max").partition(" ")
    return min(allowed, max(1, int(quota) // int(period))) if quota.isdecimal() else allowed


def free_bytes() -> int:
    """Memory that can still be had: of the machine, and of its container."""
    free = int(psutil.virtual_memory().available)
    limit, used = _of_container("memory.max"), dict(map(str.split, _of_container("memory.stat").splitlines()))
    return min(free, max(0, int(limit) - int(used.get("anon", 0)))) if limit.isdecimal() else free


def _of_container(name: str) -> str:
    try:
        return (_CGROUP / name).read_text(encoding="ascii").strip()
    except OSError:
        return ""
