"""Colours: who comes back to the same camera in another coat is not the one who left."""

import numpy as np
import pytest

from tracker import Detections
from tracker.appearance.colours import LENGTH, ColourMemory, histograms

RED, BLUE, GREY = (30, 30, 200), (200, 60, 30), (128, 128, 128)
ONE = np.zeros(1, np.int64)


def dressed(*coats):
    """A grey frame in which people stand side by side, of each its coat, and their boxes."""
    frame = np.full((300, 100 * len(coats) + 60, 3), GREY, np.uint8)
    boxes = []
    for number, coat in enumerate(coats):
        left = 40 + 100 * number
        frame[60:220, left : left + 60] = (40, 40, 40)
        frame[90:160, left : left + 60] = coat
        boxes.append((left, 60, left + 60, 220))
    return frame, np.array(boxes, np.float32)


def noisy(frame, seed):
    return np.clip(frame + np.random.default_rng(seed).normal(0, 12, frame.shape), 0, 255).astype(np.uint8)


def shown(colours, ids, *coats, times=20, start_s=0.0):
    frame, boxes = dressed(*coats)
    for step in range(times):
        colours.look(
            noisy(frame, (len(coats), step)), np.array(ids), Detections(boxes), np.arange(len(ids)), start_s + step / 30
        )


class TestHistograms:
    def test_equal_clothes_have_equal_colours_at_any_size(self):
        frame, boxes = dressed(RED)
        large = np.repeat(np.repeat(frame, 2, 0), 2, 1)
        (small,), (double,) = histograms(frame, boxes), histograms(large, 2 * boxes)
        assert small @ double > 0.999
        assert np.linalg.norm(small) == pytest.approx(1, abs=1e-5)

    def test_another_coat_has_others(self):
        one, other = histograms(*dressed(RED, BLUE))
        assert one @ other < 0.8

    def test_the_same_colours_upside_down_are_others(self):
        frame, boxes = dressed(RED)
        turned = frame.copy()
        turned[60:220] = frame[60:220][::-1]
        turned[60:130] = (40, 40, 40)
        turned[130:200, 40:100] = RED
        assert (histograms(frame, boxes) @ histograms(turned, boxes).T).item() < 0.8

    def test_what_is_not_visible_has_none(self):
        assert np.isnan(histograms(dressed(RED)[0], np.array([[-90.0, 10, -10, 90]], np.float32))).all()

    def test_of_nothing_there_are_none(self):
        assert histograms(dressed(RED)[0], np.zeros((0, 4), np.float32)).shape == (0, LENGTH)


class TestColourMemory:
    def test_who_returns_in_the_same_coat_is_likely_and_in_another_not(self):
        colours = ColourMemory(500)
        shown(colours, [1, 2, 3], RED, BLUE, GREY)
        shown(colours, [4], BLUE, start_s=60.0, times=1)
        odds = colours.odds(np.array([1, 2, 3]), np.array([4]), ONE)[:, 0]
        assert odds[1] > 1 and odds[0] < -1 and odds[2] < -1

    def test_where_all_wear_the_same_it_is_no_witness(self):
        colours = ColourMemory(500)
        shown(colours, [1, 2, 3], RED, RED, RED, times=60)
        shown(colours, [4], RED, start_s=60.0, times=1)
        assert colours.odds(np.array([1, 2, 3]), np.array([4]), ONE) == pytest.approx(0, abs=0.3)

    def test_who_was_not_looked_at_is_neither(self):
        colours = ColourMemory(500)
        shown(colours, [1], RED)
        assert colours.odds(np.array([1, 9]), np.array([7, 1]), np.zeros(2, np.int64))[1].tolist() == [0, 0]

    def test_without_a_picture_nothing_is_learned(self):
        colours = ColourMemory(500)
        colours.look(None, np.array([1]), Detections(dressed(RED)[1]), np.array([0]), 0.0)
        assert colours.odds(np.array([1]), np.array([1]), ONE).tolist() == [[0]]

    def test_who_was_longest_unseen_is_forgotten_first(self):
        colours = ColourMemory(2)
        shown(colours, [1, 2], RED, BLUE)
        shown(colours, [1], RED, start_s=5.0)
        shown(colours, [3], GREY, start_s=9.0)
        known = [colours.odds(np.array([who]), np.array([who]), ONE).item() for who in (1, 2, 3)]
        assert known[0] > 0 and known[1] == 0 and known[2] > 0

    @pytest.mark.parametrize("size", [0, 1])
    def test_there_may_be_more_in_a_frame_than_it_remembers(self, size):
        colours = ColourMemory(size)
        shown(colours, [1, 2], RED, BLUE)
        assert colours.odds(np.array([2]), np.array([2]), ONE).tolist() == [[0]]

    def test_it_goes_on_from_a_state(self):
        colours, loaded = ColourMemory(500), ColourMemory(500)
        shown(colours, [1, 2], RED, BLUE)
        loaded.load_state_dict(colours.state_dict())
        for each in (colours, loaded):
            shown(each, [3], BLUE, start_s=60.0)
        one, other = (each.odds(np.array([1, 2]), np.array([3]), ONE) for each in (colours, loaded))
        assert np.array_equal(one, other)
