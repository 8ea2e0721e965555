"""Arrays as a caller has them, as the ones that are kept: checked once, an error names the field and both shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.errors import InputError

_LARGEST = 2.0**62  # numbers from here on are no class


def column(
    name: str,
    value: ArrayLike,
    dtype: type,
    tail: Sequence[int | str],
    rows: int | None,
    *,
    finite: bool = False,
    copy: bool = False,
) -> NDArray[Any]:
    """`value` as an array (rows, *tail) of `dtype`.

    Args:
        name: of the field, for errors.
        tail: lengths behind the rows; a letter stands for any from 1. rows: how many; None: any number.
        finite: whether infinite values are an error. copy: whether the caller's own memory is not good enough.

    Raises:
        InputError: another shape or dtype; fractions where whole numbers are kept.
    """
    array = as_array(name, value)
    expected = f"({'N' if rows is None else rows}{''.join(f', {n}' for n in tail)}{',' if not tail else ''})"
    if array.size == 0 and (rows in (None, 0)) and array.ndim <= 1 + len(tail):
        lengths = array.shape[1:] if array.ndim == 1 + len(tail) else [0] * len(tail)
        return np.zeros((0, *(n if isinstance(n, int) else m for n, m in zip(tail, lengths, strict=True))), dtype)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} has dtype {array.dtype}; pass numbers of shape {expected}")
    fitting = array.ndim == 1 + len(tail) and (rows is None or len(array) == rows)
    if not fitting or any(m < 1 if isinstance(n, str) else n != m for n, m in zip(tail, array.shape[1:], strict=True)):
        raise InputError(f"{name} has shape {array.shape}; expected {expected}")
    if np.issubdtype(dtype, np.integer) and array.dtype.kind == "f" and not _whole(array):
        raise InputError(f"{name} holds fractions (dtype {array.dtype}); expected whole numbers of shape {expected}")
    if finite and np.isinf(array).any():
        raise InputError(f"{name} holds infinite numbers; give NaN where nothing is known")
    return np.array(array, dtype, order="C") if copy else np.ascontiguousarray(array, dtype=dtype)


def _whole(array: NDArray[Any]) -> bool:
    """Are they whole numbers that an int64 can hold?"""
    return np.array_equal(array, np.round(array)) and bool((np.abs(array.astype(np.float64)) < _LARGEST).all())


def widened(embeddings: NDArray[Any], width: int, whose: str) -> NDArray[Any]:
    """Embeddings (..., D), all missing as long as D is 0, as an array (..., `width`).

    Raises:
        InputError: D is another width already: `whose` says of what.
    """
    known = embeddings.shape[-1]
    if known == width:
        return embeddings
    if known:
        raise InputError(
            f"features are {width} wide, those of {whose} {known}; give one network's features for every frame "
            "(appearance: {enabled: false} keeps the CNN from adding its own), or begin anew with reset()"
        )
    return np.full((*embeddings.shape[:-1], width), np.nan, embeddings.dtype)


def mapping(name: str, value: Any, meaning: str) -> Mapping[Any, Any]:
    """`value` as a mapping, empty for None.

    Raises:
        InputError: it is none; `meaning` says of what to what it should be.
    """
    if value is not None and not isinstance(value, Mapping):
        raise InputError(f"{name} is {type(value).__name__}; give a dict, {meaning}")
    return value or {}


def as_array(name: str, value: Any) -> NDArray[Any]:
    """`value` as an array of any kind; a PyTorch tensor also where it takes gradients, lies on a GPU or is bfloat16.

    Raises:
        InputError: it is none.
    """
    if callable(getattr(value, "detach", None)):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":  # which NumPy does not have
            value = value.float()
    try:
        return np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{name} is no array of numbers ({str(error).splitlines()[0]}); pass one array") from error
