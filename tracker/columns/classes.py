"""The column of class numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def distinct(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class numbers there are among (N,), ascending; most frames hold one, which is seen without sorting.

    >>> distinct(np.array([2, 0, 2])).tolist(), distinct(np.array([7, 7])).tolist()
    ([0, 2], [7])
    """
    first = classes[:1]
    return first if (classes == first).all() else np.unique(classes)
