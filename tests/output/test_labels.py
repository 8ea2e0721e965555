"""Labels stand by their boxes, in the frame, and none on another as long as there is room."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.output.labels import LabelPlaces

FRAME, MARGIN = (640, 480), 2


def written(boxes, full, short, ids=None, labels=None):
    """Whether each label is written in full, where it begins, and its size."""
    boxes = np.array(boxes, np.int64).reshape(-1, 4)
    ids = np.arange(1, len(boxes) + 1) if ids is None else np.array(ids)
    full, short = (np.broadcast_to(np.array(size, np.int64), (len(boxes), 2)) for size in (full, short))
    whole, starts = (labels or LabelPlaces())(ids, boxes, full, short, FRAME, MARGIN)
    return whole, starts, np.where(whole[:, None], full, short)


def places(boxes, size=(60, 14), ids=None, labels=None):
    """Of labels that have one text."""
    return written(boxes, size, size, ids, labels)[1:]


def hidden(starts, sizes):
    """Pixels of labels that lie on others, over all pairs."""
    ends = starts + sizes
    pairs = combinations(range(len(starts)), 2)
    return sum(np.maximum(np.minimum(ends[i], ends[j]) - np.maximum(starts[i], starts[j]), 0).prod() for i, j in pairs)


def test_a_label_stands_above_its_box():
    assert places([[100, 100, 160, 220]])[0].tolist() == [[98, 84]]


def test_no_tracks_have_no_labels():
    assert places([])[0].shape == (0, 2)


def test_of_two_in_one_place_the_later_stays_and_the_other_gives_way():
    starts, sizes = places([[100, 100, 160, 220], [100, 100, 160, 220]])
    assert starts.tolist() == [[98, 222], [98, 84]], "below, and above"
    assert hidden(starts, sizes) == 0


def test_a_crowd_of_boxes_that_overlap_has_labels_that_do_not():
    corners = [(100 + 35 * column, 120 + 60 * row) for row in range(4) for column in range(5)]
    boxes = [[left, top, left + 40, top + 100] for left, top in corners]
    above = np.array(boxes)[:, :2] - (MARGIN, MARGIN + 14)
    starts, sizes = places(boxes)
    assert hidden(above, sizes) > 0 and hidden(starts, sizes) < 0.1 * hidden(above, sizes)


class TestShortLabels:
    FULL, SHORT = (60, 14), (20, 14)

    @staticmethod
    def crowd(gap):
        return [[20 + gap * column, 120, 28 + gap * column, 140] for column in range(9)]

    def test_in_a_crowd_the_text_is_short_where_the_full_one_would_hide_another(self):
        whole, starts, sizes = written(self.crowd(10), self.FULL, self.SHORT)
        assert hidden(*places(self.crowd(10), self.FULL)) > 0
        assert hidden(starts, sizes) == 0, "all can be read"
        assert 0 < whole.sum() < len(whole) and whole[-1], "some in full, the nearest first"

    def test_it_is_full_again_once_there_is_room_to_spare(self):
        """The crowd goes apart; jitter about the place where a full label just fits must not make it change."""
        labels, gaps = LabelPlaces(), (10, 16, 13, 16, 20, 24, 20, 40, 90)
        full = [int(written(self.crowd(gap), self.FULL, self.SHORT, labels=labels)[0].sum()) for gap in gaps]
        assert full[0] < full[-1] == 9
        assert sorted(full) == full, "none becomes short again"

    @given(st.lists(st.tuples(*[st.integers(0, 600), st.integers(0, 440), st.integers(4, 90)]), max_size=25), st.data())
    def test_no_full_text_hides_what_the_short_ones_leave_free(self, corners, data):
        """Whatever stands where, and stood where before."""
        labels = LabelPlaces()
        for _ in range(2):
            boxes = [
                [left, top, left + side, top + 2 * side] for left, top, side in data.draw(st.permutations(corners))
            ]
            whole, starts, sizes = written(boxes, self.FULL, self.SHORT, labels=labels)
            ends = starts + sizes
            for row in np.flatnonzero(whole):
                others = np.arange(len(boxes)) != row
                apart = (starts[others] >= ends[row]) | (ends[others] <= starts[row])
                assert apart.any(axis=1).all()


def test_where_there_is_no_room_the_least_is_hidden():
    starts, sizes = places([[100, 100, 160, 130]] * 9)
    assert hidden(starts, sizes) < hidden(np.tile(starts[-1:], (9, 1)), sizes) / 4


@pytest.mark.parametrize("box", [[-50, -50, 30, 30], [620, 460, 900, 900], [5000, 10, 6000, 40]])
def test_every_label_lies_in_the_frame(box):
    starts, sizes = places([box])
    assert (starts >= 0).all() and (starts + sizes <= FRAME).all()


def test_one_larger_than_the_frame_begins_at_its_corner():
    assert places([[10, 10, 20, 20]], size=(700, 500))[0].tolist() == [[0, 0]]


def test_a_label_that_gave_way_goes_back_once_there_is_room_to_spare():
    """Another box goes away to the right; labels are 60 px wide, and jitter must not make them jump."""
    labels, tops = LabelPlaces(), []
    for way in (0, 58, 62, 58, 62, 80, 62, 58, 62):
        starts, _ = places([[100, 100, 160, 220], [100 + way, 100, 160 + way, 220]], ids=[7, 3], labels=labels)
        tops.append(int(starts[0, 1]))
    above, below = 84, 222
    assert tops == [below] * 5 + [above] * 2 + [below] * 2


def test_one_that_is_gone_and_comes_back_begins_above():
    labels = LabelPlaces()
    box = [100, 100, 160, 220]
    places([box, box], ids=[7, 3], labels=labels)
    places([box], ids=[3], labels=labels)
    assert places([box], ids=[7], labels=labels)[0].tolist() == [[98, 84]]
