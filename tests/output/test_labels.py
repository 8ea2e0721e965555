"""Labels stand by their boxes, in the frame, and none on another as long as there is room."""

from itertools import combinations

import numpy as np
import pytest

from tracker.output.labels import LabelPlaces

FRAME, MARGIN = (640, 480), 2


def places(boxes, sizes=(60, 14), ids=None, labels=None):
    boxes = np.array(boxes, np.int64).reshape(-1, 4)
    ids = np.arange(1, len(boxes) + 1) if ids is None else np.array(ids)
    sizes = np.broadcast_to(np.array(sizes, np.int64), (len(boxes), 2))
    return (labels or LabelPlaces())(ids, boxes, sizes, FRAME, MARGIN), sizes


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


def test_where_there_is_no_room_the_least_is_hidden():
    starts, sizes = places([[100, 100, 160, 130]] * 9)
    assert hidden(starts, sizes) < hidden(np.tile(starts[-1:], (9, 1)), sizes) / 4


@pytest.mark.parametrize("box", [[-50, -50, 30, 30], [620, 460, 900, 900], [5000, 10, 6000, 40]])
def test_every_label_lies_in_the_frame(box):
    starts, sizes = places([box])
    assert (starts >= 0).all() and (starts + sizes <= FRAME).all()


def test_one_larger_than_the_frame_begins_at_its_corner():
    assert places([[10, 10, 20, 20]], sizes=(700, 500))[0].tolist() == [[0, 0]]


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
