"""Lines and zones: what counts once, what counts nothing, and the laws that hold for every way an object takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.ways import seen, told, walk
from tracker import Zones
from tracker.errors import ConfigError, InputError

GATE = {"points": [[100, 100], [300, 100]]}  # from left to right: upwards is in
TILL = {"points": [[400, 0], [600, 0], [600, 200], [400, 200]]}
OUTSIDE, INSIDE = (350, 100), (500, 100)


def places(lines=None, zones=None, **more):
    return Zones.parsed({"lines": lines or {}, "zones": zones or {}, **more}, "zones.yaml")


def gate(**more):
    return places({"gate": GATE | more})


def till(**more):
    return places(zones={"till": TILL | more})


def briefly(events):
    return [(e["event"], e["id"], e["direction"], round(e["time_s"], 3)) for e in events]


def net(events):
    return [e["direction"] for e in events if e["event"] == "cross"]


class TestALine:
    def test_counts_in_to_the_left_of_who_walks_from_its_first_point_to_its_last(self):
        up, down = [(200, 160 - 10 * n) for n in range(12)], [(200, 50 + 10 * n) for n in range(12)]
        assert briefly(told(gate(), walk(up))) == [("cross", 1, "in", 0.6)]
        assert briefly(told(gate(), walk(down))) == [("cross", 1, "out", 0.5)]
        turned = places({"gate": {"points": GATE["points"][::-1]}})
        assert net(told(turned, walk(up))) == ["out"]

    def test_counts_a_flicker_over_it_not_at_all(self):
        flicker = [(200, 130), (200, 130), (200, 101), (200, 99), (200, 101), (200, 98.5), (200, 130)]
        assert told(gate(), walk(flicker)) == []

    def test_counts_a_box_that_grows_over_it_and_back_not_at_all(self):
        grows = [(200, y) for _ in range(9) for y in (93, 106)]
        assert told(gate(), walk([(200, 60), *grows, (200, 60)]), finish=True) == []
        assert net(told(gate(), walk([(200, 60), *grows, (200, 140)]))) == ["out"]

    def test_is_crossed_by_who_is_seen_a_little_over_it_and_never_again(self):
        over = walk([(200, 60), (200, 95), (200, 104)])
        assert told(gate(), over) == []
        assert briefly(told(gate(), over, finish=True)) == [("cross", 1, "out", 0.156)]
        assert net(told(gate(), over + [seen(1 + n, {}) for n in range(7)])) == ["out"], "it has left"
        assert net(told(gate(), walk([(200, 104), (200, 95), (200, 60)]))) == ["in"], "and who begins there"
        assert told(gate(), walk([(90, 60), (90, 104), (200, 104)]), finish=True) == [], "around its end"

    def test_counts_a_passage_that_trembles_once(self):
        trembling = [(200, 130), (200, 101), (200, 99), (200, 101), (200, 99), (200, 70)]
        assert net(told(gate(), walk(trembling))) == ["in"]

    def test_has_ends_and_a_way_around_one_is_no_crossing(self):
        around = [(90, 130), (80, 100), (90, 70), (200, 70)]
        assert told(gate(), walk(around)) == []
        assert net(told(gate(), walk([*around, (200, 130)]))) == ["out"], "back through it is one"

    def test_is_not_crossed_by_who_goes_around_its_end_again_and_again(self):
        circling = [(80 + 15 * np.cos(a), 100 + 15 * np.sin(a)) for a in np.linspace(0, 40, 200)]
        assert told(gate(), walk(circling)) == []

    def test_may_bend(self):
        def corner():
            return places({"gate": {"points": [[100, 100], [200, 100], [200, 200]]}})

        assert net(told(corner(), walk([(150, 180), (150, 80)]))) == ["in"]
        assert net(told(corner(), walk([(150, 180), (250, 150)]))) == ["in"]
        assert told(corner(), walk([(150, 150), (150, 250), (250, 250), (250, 60), (150, 60)])) == []

    @pytest.mark.parametrize(("anchor", "height"), [("bottom", 0), ("centre", 20), ("center", 20), ("top", 40)])
    def test_goes_by_the_anchor(self, anchor, height):
        way = [(200, 60 + 10 * n) for n in range(16)]
        (event,) = told(gate(anchor=anchor), walk(way))
        assert event["time_s"] == pytest.approx((40 + height) / 100)

    def test_counts_a_crossing_in_a_gap_once_at_its_moment_in_between(self):
        gap = walk([(200, 140), (200, 130)]) + [seen(0.2, {})] + walk([(200, 90), (200, 80)], [0.5, 0.6])
        assert briefly(told(gate(), gap)) == [("cross", 1, "in", 0.4)]
        predicted = [seen(0.2 + n / 10, {1: (200, 120 + 40 * n)}, predicted=(1,)) for n in range(3)]
        assert briefly(told(gate(), [*gap[:2], *predicted, *gap[3:]])) == [("cross", 1, "in", 0.4)]

    def test_counts_what_crosses_between_two_looks_however_far_they_are_apart(self):
        far = [seen(0, {1: (200, 140)}), seen(30, {1: (200, 60)})]
        assert briefly(told(gate(), far)) == [("cross", 1, "in", 15)]

    def test_does_not_guess_the_way_of_who_was_away_for_long(self):
        away = [seen(0, {1: (200, 140)}), *(seen(n, {}) for n in range(1, 30)), seen(30, {1: (200, 60)})]
        assert told(gate(), away) == []

    def test_counts_a_tentative_track_when_it_is_confirmed_and_never_if_it_is_not(self):
        way = [(200, 60 + 20 * n) for n in range(5)]
        young = walk(way, tentative=(1,))
        assert told(gate(), young, finish=True) == []
        assert briefly(told(gate(), [*young, seen(0.5, {1: (200, 160)})])) == [("cross", 1, "out", 0.2)]

    def test_counts_the_classes_it_is_told_to_by_name_or_number(self):
        way = [seen(n / 10, {1: (150, 60 + 20 * n), 2: (250, 60 + 20 * n)}, classes={2: 2}) for n in range(5)]
        assert [e["id"] for e in told(gate(classes=["car"]), way)] == [2]
        assert [e["id"] for e in told(gate(classes=[0]), way)] == [1]
        assert [e["class"] for e in told(gate(), way)] == ["person", "car"]


class TestAZone:
    def test_tells_who_enters_dwells_and_leaves_at_the_moments_at_its_border(self):
        way = [(350 + 10 * n, 100) for n in range(31)]
        assert briefly(told(till(dwell_s=1.5), walk(way))) == [
            ("enter", 1, "in", 0.5),
            ("dwell", 1, None, 2.0),
            ("exit", 1, "out", 2.5),
        ]

    def test_counts_who_is_inside_at_first_and_who_vanishes_inside(self):
        frames = walk([INSIDE] * 21) + [seen(2.1 + n / 10, {}) for n in range(60)]
        zones = till()
        assert briefly(told(zones, frames)) == [("enter", 1, "in", 0.0), ("exit", 1, "out", 2.0)]
        (count,) = zones.counts()
        assert (count.ins, count.outs, count.inside, count.mean_dwell_s) == (1, 1, 0, pytest.approx(2))

    def test_keeps_who_is_covered_for_a_while(self):
        zones = till()
        frames = walk([INSIDE] * 3) + [seen(0.3 + n / 10, {}) for n in range(30)] + [seen(3.5, {1: INSIDE})]
        assert [e["event"] for e in told(zones, frames)] == ["enter"]
        assert zones.counts()[0].mean_dwell_s == pytest.approx(3.5)

    def test_is_left_at_the_end_by_who_is_not_seen_any_more_only(self):
        frames = [seen(0, {1: INSIDE, 2: INSIDE}), seen(1, {1: INSIDE, 2: INSIDE}), seen(2, {2: INSIDE})]
        zones = till()
        assert briefly(told(zones, frames, finish=True))[2:] == [("exit", 1, "out", 1)]
        assert [count.inside for count in zones.counts()] == [1]

    def test_passed_between_two_frames_is_entered_and_left(self):
        assert briefly(told(till(), [seen(0, {1: (300, 100)}), seen(1, {1: (700, 100)})])) == [
            ("enter", 1, "in", 0.25),
            ("exit", 1, "out", 0.75),
        ]

    def test_is_not_entered_by_who_flickers_over_its_border(self):
        assert told(till(), walk([(380, 100), (401, 100), (399, 100), (401, 100), (370, 100)])) == []

    def test_keeps_the_class_with_which_it_was_entered(self):
        zones = till(classes=["person"])
        frames = [seen(n / 10, {1: (350 + 30 * n, 100)}, classes={1: 2 * (n > 4)}) for n in range(12)]
        assert [e["class"] for e in told(zones, frames)] == ["person", "person"]


class TestAnIdThatIsCorrected:
    def test_crosses_once_where_the_new_track_appeared_on_the_other_side(self):
        frames = [seen(0, {3: (200, 140)}), seen(0.1, {3: (200, 120)}), seen(0.2, {}), seen(0.5, {7: (200, 80)})]
        frames.append(seen(0.6, {3: (200, 60)}, renamed={7: 3}))
        assert briefly(told(gate(), frames)) == [("cross", 3, "in", 0.3)]

    def test_is_inside_once_where_it_was_inside_all_the_time(self):
        frames = walk([INSIDE] * 5, track=3) + [seen(0.6, {7: INSIDE}), seen(1, {7: INSIDE})]
        frames += [seen(1.5, {3: INSIDE}, renamed={7: 3}), seen(2, {3: OUTSIDE})]
        zones = till()
        found = told(zones, frames)
        assert [(e["event"], e["id"]) for e in found] == [("enter", 3), ("exit", 3)]
        assert found[1]["seconds"] == pytest.approx(1.5 + 0.5 * 2 / 3, abs=0.01)

    def test_that_left_meanwhile_has_left_once(self):
        frames = walk([INSIDE] * 5, track=3) + [seen(0.6, {7: INSIDE}), seen(1, {7: OUTSIDE}), seen(1.1, {7: OUTSIDE})]
        zones = till()
        assert [e["event"] for e in told(zones, frames)] == ["enter"], "7 may turn out to be 3"
        found = told(zones, [seen(1.5, {3: OUTSIDE}, renamed={7: 3})])
        assert [(e["event"], e["id"]) for e in found] == [("exit", 3)]
        assert found[0]["seconds"] == pytest.approx(0.6 + 0.4 * 2 / 3, abs=0.01)

    def test_that_is_another_after_all_has_entered(self):
        frames = walk([INSIDE] * 5, track=3) + [seen(0.6 + n / 10, {7: INSIDE}) for n in range(60)]
        found = told(till(), frames)
        assert [(e["event"], e["id"]) for e in found] == [("enter", 3), ("enter", 7), ("exit", 3)]

    @given(st.data())
    @settings(max_examples=40, deadline=None)
    def test_has_events_as_if_it_had_had_its_id_from_the_start(self, data):
        way = data.draw(ways(least=6))
        cut = data.draw(st.integers(2, len(way) - 3))
        late = data.draw(st.integers(1, min(3, len(way) - 1 - cut)))
        zones = {"gate": GATE}, {"till": TILL}
        whole = walk(way)
        apart = [
            seen(n / 10, {3 if n < cut or n >= cut + late else 7: point}, renamed={7: 3} if n == cut + late else None)
            for n, point in enumerate(way)
        ]
        alike = [e | {"id": 3} for e in told(places(*zones), whole, finish=True)]
        found = [e | {"id": 3} for e in told(places(*zones), apart, finish=True)]
        assert sorted(e["event"] for e in found) == sorted(e["event"] for e in alike)
        for event in ("cross", "enter", "exit"):  # what was told early has the moment of its first sighting
            times = [sorted(e["time_s"] for e in events if e["event"] == event) for events in (found, alike)]
            assert times[0] == pytest.approx(times[1], abs=0.1)


coordinate = st.integers(0, 70).map(lambda n: 10.0 * n + 5)  # never on a border, and clearly on a side of it


@st.composite
def ways(draw, least=2):
    points = st.tuples(coordinate, st.integers(0, 25).map(lambda n: 10.0 * n + 5))
    return draw(st.lists(points, min_size=least, max_size=14))


def uneven(zones=None):
    """A gate whose ends lie on no way of these."""
    return places({"gate": {"points": [[101.3, 100], [298.7, 100]]}}, zones)


def counted(zones, frames):
    told(zones, frames, finish=True)
    return {count.zone: count for count in zones.counts()}


class TestForEveryWay:
    @given(ways())
    @settings(max_examples=40, deadline=None)
    def test_back_again_swaps_in_and_out(self, way):
        there, back = (counted(uneven({"till": TILL}), walk(points)) for points in (way, way[::-1]))
        assert (there["gate"].ins, there["gate"].outs) == (back["gate"].outs, back["gate"].ins)
        assert there["till"].ins == back["till"].ins
        assert there["till"].mean_dwell_s == pytest.approx(back["till"].mean_dwell_s)

    @given(ways(), st.integers(2, 5))
    @settings(max_examples=40, deadline=None)
    def test_the_frame_rate_does_not_matter(self, way, finer):
        times = np.linspace(0, len(way) - 1, finer * (len(way) - 1) + 1)
        between = np.stack([np.interp(times, np.arange(len(way)), np.array(way)[:, k]) for k in (0, 1)], axis=1)
        coarse, fine = told(uneven(), walk(way)), told(uneven(), walk(between, (times / 10).tolist()))
        assert net(coarse) == net(fine)
        assert [e["time_s"] for e in coarse] == pytest.approx([e["time_s"] for e in fine], abs=2e-3)

    @given(ways(), st.integers(-90, 90))
    @settings(max_examples=40, deadline=None)
    def test_a_shift_along_a_line_does_not_matter(self, way, shift):
        longer = {"gate": {"points": [[0, 100], [900, 100]]}}
        way = np.array(way) + (95, 0)
        assert net(told(places(longer), walk(way))) == net(told(places(longer), walk(way + (shift, 0))))

    @given(ways())
    @settings(max_examples=40, deadline=None)
    def test_in_less_out_is_the_change_of_side(self, way):
        longer = {"gate": {"points": [[0, 100], [900, 100]]}}
        count = counted(places(longer), walk(way))["gate"]
        assert count.ins - count.outs == int(way[-1][1] < 100) - int(way[0][1] < 100)

    @given(ways())
    @settings(max_examples=40, deadline=None)
    def test_every_step_over_a_line_counts_that_is_as_long_as_a_body(self, way):
        longer = {"gate": {"points": [[0, 100], [900, 100]]}}
        way = [(x, 2 * y - 100) for x, y in way]
        count = counted(places(longer), walk(way))["gate"]
        assert count.ins + count.outs == sum((a[1] < 100) != (b[1] < 100) for a, b in zip(way, way[1:], strict=False))

    @given(ways(), st.integers(0, 30))
    @settings(max_examples=40, deadline=None)
    def test_in_less_out_is_the_change_of_who_is_inside(self, way, unseen):
        zones = till()
        inside = 0
        for frame in walk(way) + [seen(len(way) / 10 + n, {}) for n in range(unseen)]:
            for event in zones.update(frame).to_dicts():
                inside += {"in": 1, "out": -1}[event["direction"]]
            (count,) = zones.counts()
            assert (count.inside, count.ins - count.outs) == (inside, inside)
        if unseen == 0:
            assert inside == (400 < way[-1][0] < 600 and way[-1][1] < 200)
        elif unseen > 7:
            assert inside == 0

    @given(st.lists(st.floats(-1, 1), min_size=4, max_size=40), st.sampled_from([-1, 1]))
    @settings(max_examples=40, deadline=None)
    def test_jitter_that_is_small_beside_the_object_counts_nothing(self, jitter, side):
        way = [(200, 100 + 8 * side), *((200, 100 + 1.6 * y) for y in jitter), (200, 100 + 8 * side)]
        assert told(gate(), walk(way)) == []


class TestTheTracksOf:
    def test_another_size_of_frame_are_seen_in_the_same_view(self):
        zones = places({"gate": {"points": [[0.1, 0.5], [0.9, 0.5]]}}, units="share")
        small, large = seen(0, {1: (320, 200)}), seen(0.1, {1: (640, 600)})
        assert len(zones.update(small, (640, 480))) == 0
        assert zones.update(large, (1280, 960)).to_dicts()[0]["direction"] == "out"

    def test_shares_need_the_size_of_the_frame(self):
        zones = places({"gate": {"points": [[0.1, 0.5], [0.9, 0.5]]}}, units="share")
        with pytest.raises(InputError, match="are shares of the frame; give update its frame_size"):
            zones.update(seen(0, {}))

    def test_a_frame_shown_twice_are_taken_once_and_none_may_come_out_of_order(self):
        zones = gate()
        frames = walk([(200, 140), (200, 60)])
        assert [len(zones.update(frame)) for frame in (frames[0], frames[1], frames[1])] == [0, 1, 0]
        with pytest.raises(InputError, match=r"tracks of 0 s came after those of 0\.1 s; give them in order"):
            zones.update(frames[0])

    def test_a_class_that_no_detector_knows_is_named(self):
        with pytest.raises(ConfigError, match="'gate' counts the class 'peson', which the detector does not know"):
            gate(classes=["peson"]).require({0: "person", 2: "car"})

    def test_many_objects_at_once_are_counted_one_by_one(self):
        rng = np.random.default_rng(0)
        way = np.cumsum(rng.normal(0, 15, (60, 40, 2)), axis=0) + rng.uniform((0, 0), (700, 250), (40, 2))
        zones = {"gate": GATE, "second": {"points": [[350, 250], [350, 0], [700, 150]]}}, {"till": TILL}
        frames = [seen(n / 10, dict(enumerate(map(tuple, at), 1))) for n, at in enumerate(way)]
        together = briefly(told(places(*zones), frames, finish=True))
        alone = [e for i in range(40) for e in briefly(told(places(*zones), walk(way[:, i], track=i + 1), finish=True))]
        assert sorted(together, key=str) == sorted(alone, key=str)
        assert len(together) > 40
