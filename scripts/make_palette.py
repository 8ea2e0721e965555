"""Print the palette of `tracker/output/draw.py`: colours that do not look alike, in an order that keeps ids apart.

    python scripts/make_palette.py

Distances are Euclidean in OKLab (Ottosson, 2020), where 0.02 is just noticeable; simulated protanopia and deuteranopia
(Machado et al., 2009) count with twice theirs, so that they decide where they leave less than half.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

COUNT = 24  # more would be nearer to one another than fewer are to their own repetition
INK = (18, 20, 24)  # RGB of the text on a plate
CONTRAST = 4.6  # of the text, by WCAG: 4.5 for text of any size
CHROMA = 0.09, 0.25  # no greys, which streets are full of, and nothing that glares
LIGHTEST = 0.93
NEAR, REACH = 0.05, 4.0  # a distance, and how many ids on, at which a likeness counts a third

TO_LMS = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]
PROTANOPIA = [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
]
DEUTERANOPIA = [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
]


def linear(rgb: Array) -> Array:
    """(..., 3) sRGB from 0 to 255 -> light from 0 to 1."""
    share = rgb / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def oklab(light: Array) -> Array:
    """(..., 3) linear RGB -> lightness, green to red, blue to yellow."""
    return np.cbrt(np.clip(light, 0, 1) @ np.transpose(TO_LMS)) @ np.transpose(TO_LAB)


def distances(rgb: Array) -> Array:
    """(N, 3) -> (N, N) how different each two look, to who sees them worst."""
    light = linear(rgb)
    seen = [oklab(light), *(2 * oklab(light @ np.transpose(sees)) for sees in (PROTANOPIA, DEUTERANOPIA))]
    return np.min([np.linalg.norm(lab[:, None] - lab[None], axis=-1) for lab in seen], axis=0)


def candidates() -> Array:
    """(N, 3) all colours of a grid that may be chosen."""
    steps = np.arange(0, 256, 15.0)
    rgb = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    luminance = [0.2126, 0.7152, 0.0722]
    contrast = (linear(rgb) @ luminance + 0.05) / (linear(np.array(INK, float)) @ luminance + 0.05)
    lab = oklab(linear(rgb))
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    return rgb[(contrast > CONTRAST) & (chroma > CHROMA[0]) & (chroma < CHROMA[1]) & (lab[:, 0] < LIGHTEST)]


def far_apart(apart: Array) -> list[int]:
    """Rows of (N, N) distances, each chosen as far as can be from those before it."""
    chosen = [int(apart.mean(axis=1).argmax())]
    while len(chosen) < COUNT:
        chosen.append(int(apart[chosen].min(axis=0).argmax()))
    return chosen


def ordered(apart: Array) -> list[int]:
    """An order of (N, N) colours, begun again after the last, in which those that look alike are far from each other.

    The best of several shuffles, each improved by exchanging pairs until no exchange helps.
    """
    n = len(apart)
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    weight = np.exp(-(np.minimum(lag, n - lag) - 1) / REACH)
    np.fill_diagonal(weight, 0)
    alike = np.exp(-apart / NEAR)
    shuffled, best = np.random.default_rng(0), (np.inf, list(range(n)))
    for _ in range(8):
        order = shuffled.permutation(n)
        cost, better = float((alike[np.ix_(order, order)] * weight).sum()), True
        while better:
            better = False
            for i in range(n):
                for j in range(i):
                    other = order.copy()
                    other[[i, j]] = order[[j, i]]
                    told = float((alike[np.ix_(other, other)] * weight).sum())
                    if told < cost - 1e-12:
                        order, cost, better = other, told, True
        best = min(best, (cost, order.tolist()))
    return best[1]


def palette() -> Array:
    """(COUNT, 3) RGB; the first is id 1's."""
    colours = candidates()
    colours = colours[far_apart(distances(colours))]
    colours = colours[ordered(distances(colours))]
    return np.roll(colours, -2, axis=0)  # a film of few begins with lively ones


if __name__ == "__main__":
    colours = palette()
    words = [bytes(colour.astype(np.uint8).tolist()).hex() for colour in colours]
    print("\n".join(" ".join(words[row : row + 12]) for row in range(0, COUNT, 12)))
    apart = distances(colours)
    for lag in range(1, COUNT // 2 + 1):
        print(f"{lag} ids on: at least {np.diagonal(np.roll(apart, -lag, axis=1)).min():.3f} apart")
