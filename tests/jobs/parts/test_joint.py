"""Which track of a part goes on with which of the part before, on tables whose truth is known."""

from dataclasses import replace

import numpy as np

from helpers.track_tables import make_table, walk
from tracker.config import Config
from tracker.jobs.parts.joint import IdNames, Seen, continued, returned

CUT = 300  # number of the first frame of the later part, ...
BEGIN, END = 50, 350  # ... which begins to be tracked here, as the earlier one ends there


def seen(rows, first, last):
    """What a part saw that was tracked in these frames."""
    table = make_table([(f - first, *rest) for f, *rest in rows if first <= f <= last], frames=last - first + 1)
    return Seen(replace(table, times_s=np.arange(first, last + 1) / 25), np.arange(first, last + 1))


def parts(earlier, later):
    return seen(earlier, 1, END), seen(later, BEGIN, 600)


def joined(earlier, later):
    return continued(*parts(earlier, later), CUT, 2.0)


def test_one_has_the_boxes_that_it_had():
    one, two = range(1, 600), range(200, 600)
    assert joined(walk(7, one) + walk(9, two, y=400), walk(1, two, start=100, y=400) + walk(2, one)) == {1: 9, 2: 7}


def test_nobody_goes_on_with_who_was_elsewhere():
    assert joined(walk(7, range(1, 340)), walk(1, range(100, 600), y=500)) == {}
    assert joined([], walk(1, range(100, 600))) == {}
    assert joined(walk(7, range(1, 300)), []) == {}


def test_one_that_both_have_lost_before_the_cut_comes_back_as_the_same():
    away = [f for f in range(1, 600) if not 280 <= f < 320]
    assert joined(walk(7, away), walk(3, away)) == {3: 7}


def test_of_two_that_one_part_has_confused_it_is_who_is_near_the_cut():
    """The later part has exchanged two in the middle of what both have tracked."""
    one, two = walk(1, range(1, 600)), walk(2, range(1, 600), y=300)
    until, since = range(1, 200), range(200, 600)
    later = walk(5, until) + walk(6, until, y=300) + walk(6, since) + walk(5, since, y=300)
    assert joined(one + two, later) == {6: 1, 5: 2}


def test_an_id_that_went_over_to_another_object_is_that_one_s():
    """In the later part alone, a moment before the cut; and a moment after it that one has gone, too."""
    earlier = walk(1, range(1, 284)) + walk(2, range(1, 304), y=300)
    later = walk(5, range(1, 284)) + walk(5, range(296, 304), y=300)
    assert joined(earlier, later) == {5: 2}


def test_looks_at_other_frames_do_not_matter():
    """Between two looks boxes are on a line."""
    earlier = seen(walk(7, range(1, 600, 3)), 1, END)
    later = seen(walk(3, range(2, 600, 3)), BEGIN, 600)
    assert continued(earlier, later, CUT, 2.0) == {3: 7}


class TestTheLinker:
    CONFIG = Config()

    def linked(self, earlier, later, gone=(7,), new=(11,)):
        ids = np.array(gone, np.int64), np.array(new, np.int64)
        return returned(*parts(earlier, later), CUT, *ids, self.CONFIG)

    def test_joins_who_was_away_while_both_were_tracked(self):
        assert self.linked(walk(7, range(1, 296)), walk(11, range(302, 600))) == {11: 7}

    def test_joins_only_whom_it_may(self):
        before, after = walk(7, range(1, 296)), walk(11, range(302, 600))
        assert self.linked(before, after, gone=()) == {} == self.linked(before, after, new=())
        assert self.linked(before, after, gone=(8,)) == {}

    def test_joins_nobody_who_was_there_at_the_same_time(self):
        assert self.linked(walk(7, range(1, 296)), walk(11, range(290, 600))) == {}

    def test_joins_nobody_with_somebody_elsewhere(self):
        assert self.linked(walk(7, range(1, 296)), walk(11, range(302, 600), start=-900)) == {}


def test_ids_without_a_name_are_left_out():
    names = IdNames({4: 40, 2: 50})
    table = seen(walk(4, range(1, 9)) + walk(3, range(1, 9)) + walk(2, range(1, 9)), 1, 9).named(names).table
    assert np.unique(table.ids).tolist() == [40, 50] and (np.diff(table.ids) >= 0).all()
    assert names.of(np.array([[2, 4], [4, 2]])).tolist() == [[50, 40], [40, 50]]
