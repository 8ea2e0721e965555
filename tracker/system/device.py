"""Where the networks run."""

from __future__ import annotations

from tracker.errors import UsageError


def resolve_device(name: str) -> str:
    """`auto`, `cpu`, `cuda`, `cuda:N` or `N` as the name PyTorch knows: `cpu` or `cuda:N`.

    `auto` is the first CUDA device if there is one, else the CPU.

    Raises:
        UsageError: no such device here, with the ones there are.

    >>> resolve_device("cpu")
    'cpu'
    """
    wanted = name.strip().lower()
    if wanted == "cpu":  # without PyTorch, which exported networks do not need
        return wanted
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    devices = ["cpu", *(f"cuda:{i}" for i in range(count))]
    if wanted == "auto":
        return devices[min(1, count)]
    if wanted == "cuda":
        wanted = "cuda:0"
    elif wanted.isdecimal():
        wanted = f"cuda:{int(wanted)}"
    if wanted == "mps":
        raise UsageError(
            f"device {name!r}, Apple's GPU, is not used by this tracker; choose one of: auto, {', '.join(devices)}"
        )
    if wanted not in devices:
        raise UsageError(f"device {name!r} is not available here; choose one of: auto, {', '.join(devices)}")
    return wanted
