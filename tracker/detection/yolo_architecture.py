"""What a weights file may say of its YOLO network, checked before anything of that size is built.

A description of a network is a program: it names layers, which may do anything when they are made (one of Ultralytics'
downloads weights), and numbers, which decide how much memory they take. So only the layers of YOLO's own detectors are
known here, numbers are bounded, and a network may take no more memory than the file's own tensors bear out: its
parameters have to be the file's, shape by shape, and become those.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

HEADS = ("Detect", "Segment", "Segment26", "Pose", "Pose26", "v10Detect", "OBB", "OBB26", "RTDETRDecoder")
# Of the detectors that Ultralytics describes, YOLOv3 to YOLO26 and RT-DETR.
_LAYERS = frozenset(  # a text: a list would be a page
    "A2C2f ADown AConv AIFI Bottleneck BottleneckCSP C2 C2f C2fCIB C2fPSA C2PSA C3 C3Ghost C3k2 C3x CBFuse CBLinear "  # noqa: SIM905
    "Concat Conv ConvTranspose DWConv ELAN1 Focus GhostBottleneck GhostConv HGBlock HGStem PSA RepC3 RepNCSPELAN4 "
    "ResNetLayer SCDown SPP SPPELAN SPPF "
    "nn.ConvTranspose2d nn.Identity nn.MaxPool2d nn.Upsample nn.ZeroPad2d".split()
)
_WORDS = ("None", "True", "False", "nc", "kpt_shape", "nearest", "bilinear")
_MOST_LAYERS, _MOST_REPEATS, _MOST_ARGUMENTS = 256, 32, 16
_LARGEST = 65536  # of all numbers
_BLOCKS_OF = {"ResNetLayer": 4}  # which argument says how often a layer repeats itself
_DEEPEST = 4.0  # factor on repeats
_LARGEST_TENSOR = 2**25  # numbers; those of the largest YOLO are a seventh of that
_MAKERS = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange})
_SPARE = 2**25  # numbers that a network may make beside its parameters: anchors, and a small picture it is tried with


class Bounded(TorchFunctionMode):
    """While it is entered, layers make no more numbers than a file's tensors bear out.

    PyTorch's device "meta" would need no memory, but imports the compiler, which takes seconds and leaves a folder.

    Args:
        numbers: how many the file's tensors hold.

    Raises:
        ValueError: a tensor, also of those that the layers give for a small picture, is larger than any YOLO's, or all
            that were made are more than a network of the file's size makes.
    """

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self._left = 4 * numbers + _SPARE

    def __torch_function__(
        self, function: Callable[..., Any], _: Any, arguments: Any = (), options: dict[str, Any] | None = None
    ) -> Any:
        options = options or {}
        if function in _MAKERS:
            count = _numbers(function, arguments, options)
            self._left -= count
            if count > _LARGEST_TENSOR or self._left < 0:
                raise ValueError(f"a tensor of {count} numbers")
        made = function(*arguments, **options)
        if isinstance(made, Tensor) and made.numel() > _LARGEST_TENSOR:
            raise ValueError(f"a tensor of {made.numel()} numbers")
        return made


def _numbers(function: Callable[..., Any], arguments: Any, options: dict[str, Any]) -> int:
    """How many numbers a call asks for."""
    if function is torch.arange:
        return int(max(value for value in arguments if isinstance(value, int | float)))
    size = options.get("size", arguments)
    return math.prod(size[0] if size and not isinstance(size[0], int) else size)


def check_description(description: Any) -> None:
    """What a file says of its network: `backbone` and `head`, rows of (from, repeats, layer, arguments), and numbers.

    Raises:
        ValueError, TypeError, KeyError: unknown layers, unbounded numbers, code.
    """
    if "activation" in description:
        raise ValueError("an activation given as code")
    if description.get("channels", 3) != 3:
        raise ValueError("a network for other pictures than colour ones")
    rows = [*description["backbone"], *description["head"]]
    if not 0 < len(rows) <= _MOST_LAYERS:
        raise ValueError(f"{len(rows)} layers")
    for number, (source, repeats, name, arguments) in enumerate(rows):
        last = number == len(rows) - 1
        if name not in (HEADS if last else _LAYERS):
            raise ValueError(f"unknown {'head' if last else 'layer'} {name!r}")
        if not (isinstance(repeats, int) and 0 < repeats <= _MOST_REPEATS):
            raise ValueError(f"{repeats!r} repeats of a layer")
        _check_numbers(source, ())
        _check_numbers(arguments, _WORDS)
        if name in _BLOCKS_OF and not 0 < arguments[_BLOCKS_OF[name]] <= _MOST_REPEATS:
            raise ValueError(f"{arguments!r} of a {name}")
        if name == "RTDETRDecoder" and list(arguments) != ["nc"]:  # others make copies that nobody counts
            raise ValueError(f"{arguments!r} of a {name}")
    depths = [description.get("depth_multiple", 1.0), *(scale[0] for scale in description.get("scales", {}).values())]
    if not all(0 < depth <= _DEEPEST for depth in depths):
        raise ValueError(f"depths of {depths}")
    for name in ("nc", "reg_max", "kpt_shape", "end2end", "width_multiple"):
        _check_numbers(description.get(name), ())
    _check_numbers([list(scale) for scale in description.get("scales", {}).values()], ())


def _check_numbers(value: Any, words: tuple[str, ...]) -> None:
    """Numbers up to the bound, lists of them, and some words."""
    if isinstance(value, list | tuple):
        if len(value) > _MOST_ARGUMENTS:
            raise ValueError(f"{len(value)} numbers in one place")
        for part in value:
            _check_numbers(part, words)
    elif isinstance(value, str):
        if value not in words:
            raise ValueError(f"the word {value!r}")
    elif value is not None and not -_LARGEST <= value <= _LARGEST:
        raise ValueError(f"the number {value!r}")
