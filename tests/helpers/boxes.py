"""Boxes as hypothesis draws them."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


@st.composite
def xyxy(draw):
    """(N, 4) corners of up to six boxes."""
    n = draw(st.integers(0, 6))
    corner = draw(hnp.arrays(np.float64, (n, 2), elements=st.floats(-2000, 2000)))
    size = draw(hnp.arrays(np.float64, (n, 2), elements=st.floats(0.5, 1000)))
    return np.concatenate([corner, corner + size], axis=1)
