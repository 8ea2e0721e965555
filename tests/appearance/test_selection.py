"""What motion cannot place is embedded, and what was not for a while."""

import numpy as np

from tracker.appearance.selection import ambiguous


def test_motion_alone_places_only_what_fits_well_and_has_no_rival():
    def unclear(*rows):
        return ambiguous(np.array(rows, np.float32), gate=0.15)[0].tolist()

    assert unclear([0.8, 0.0], [0.0, 0.7]) == [False, False]
    assert unclear([0.8, 0.0], [0.0, 0.4]) == [False, True]  # somebody else may have come out there
    assert unclear([0.8, 0.6], [0.0, 0.9]) == [True, True]  # the first track may have either
    assert unclear([0.8, 0.0], [0.0, 0.0]) == [False, True]  # nobody's
