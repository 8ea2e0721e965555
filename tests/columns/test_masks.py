"""Masks are kept as runs: exact, and COCO's own tools read what they are written as."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tracker import Masks
from tracker.columns.masks import GatheredMasks, part_of
from tracker.errors import InputError

pictures = st.tuples(st.integers(0, 4), st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays.arrays(bool, shape)
)


@given(pictures)
def test_what_comes_in_comes_out(dense):
    masks = Masks.of(dense)
    assert len(masks) == len(dense) and masks.known.all()
    np.testing.assert_array_equal(masks.dense(), dense)
    np.testing.assert_array_equal(np.asarray(masks), dense)


@given(pictures)
def test_a_crop_is_the_smallest_that_holds_the_mask(dense):
    masks = Masks.of(dense)
    for mask, (part, left, top) in zip(dense, masks.crops(), strict=True):
        assert part.sum() == mask.sum()
        if mask.any():
            np.testing.assert_array_equal(part, mask[top : top + part.shape[0], left : left + part.shape[1]])
            assert part.any(axis=0)[[0, -1]].all() and part.any(axis=1)[[0, -1]].all()


@given(pictures, st.data())
def test_boxes_and_areas_are_those_of_the_crops(dense, data):
    index = np.array(data.draw(st.lists(st.integers(-1, len(dense) - 1), max_size=6)), np.int64)
    masks = Masks.of(dense).take(index)
    crops = masks.crops()
    expected = [(left, top, left + part.shape[1], top + part.shape[0]) for part, left, top in crops]
    assert masks.boxes.tolist() == [list(box) for box in expected]
    assert masks.areas.tolist() == [int(part.sum()) for part, _, _ in crops]


@given(pictures, st.data())
def test_rows_are_picked_in_any_order_and_where_there_is_none_there_is_no_mask(dense, data):
    masks = Masks.of(dense)
    index = np.array(data.draw(st.lists(st.integers(-1, len(dense) - 1), max_size=6)), np.int64)
    taken = masks.take(index)
    assert taken.known.tolist() == (index >= 0).tolist()
    for row, source in enumerate(index.tolist()):
        np.testing.assert_array_equal(taken.dense()[row], dense[source] if source >= 0 else False)
    again = taken.take(np.arange(len(index)))
    assert again.known.tolist() == taken.known.tolist()


@given(pictures)
def test_cocos_own_tools_read_them_and_write_the_same(dense):
    coco = pytest.importorskip("pycocotools.mask")
    for written, mask in zip(Masks.of(dense).to_coco(), dense, strict=True):
        theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert written == {"size": list(mask.shape), "counts": theirs["counts"].decode()}


@given(pictures, st.data())
def test_what_was_written_for_coco_is_read_back(dense, data):
    index = np.array(data.draw(st.lists(st.integers(-1, len(dense) - 1), max_size=6)), np.int64)
    masks = Masks.of(dense).take(index)
    again = Masks.from_coco(masks.to_coco(), dense.shape[1:])
    np.testing.assert_array_equal(again.known, masks.known)
    np.testing.assert_array_equal(again.dense(), masks.dense())


@pytest.mark.parametrize("texts", [("0P", "06"), ("06", "0P"), ("06o", "o0")])
def test_a_number_does_not_go_on_in_the_next_mask(texts):
    with pytest.raises(InputError, match="encode it"):
        Masks.from_coco([{"size": [2, 3], "counts": text} for text in texts], (2, 3))


@pytest.mark.parametrize("counts", ["2", "2~", "2o", 7, [5], [-1, 7], "2311" * 9, "o" * 9 + "0", None])
def test_what_is_no_encoding_of_the_frame_is_refused(counts):
    with pytest.raises(InputError, match="encode it"):
        Masks.from_coco([{"size": [2, 3], "counts": counts}], (2, 3))


def test_lists_of_counts_are_read_too():
    masks = Masks.from_coco([{"size": [2, 3], "counts": [0, 2, 0, 1, 3]}], (2, 3))
    assert masks.dense()[0].tolist() == [[True, True, False], [True, False, False]]


def test_a_large_frame_takes_as_many_bytes_as_its_outlines():
    dense = np.zeros((30, 1080, 1920), bool)
    dense[:, 300:600, 500:600] = True
    masks = Masks.of(dense)
    assert masks.edges.nbytes == 30 * 100 * 2 * 4
    coco = pytest.importorskip("pycocotools.mask")
    dense[0, 1079, 1919] = True  # runs of more than 20 bits
    theirs = coco.encode(np.asfortranarray(dense[0].astype(np.uint8)))
    assert Masks.of(dense[:1]).to_coco()[0]["counts"] == theirs["counts"].decode()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((2, 2)), "masks is float64 of shape (2, 2); expected booleans of shape (N, H, W)"),
        (np.full((1, 2, 2), 0.4), "masks holds other numbers than 0 and 1"),
        ([["a"]], "masks is <U1"),
    ],
)
def test_what_is_no_mask_is_named(value, message):
    with pytest.raises(InputError) as error:
        Masks.of(value)
    assert message in str(error.value)


def test_a_coarse_raster_lies_on_the_pixels_that_it_stands_for():
    """Each of its pixels is 4 x 4 of the frame's, behind a margin of 1: middles fall on middles."""
    raster = np.arange(20, dtype=np.float32).reshape(4, 5)
    fine = part_of(raster, (0.25, 0.25), (1.0, 1.0), (0, 0, 16, 12))
    assert fine.shape == (12, 16)
    np.testing.assert_allclose(fine[1:3, 1:3].mean(), raster[1, 1], atol=0.02)
    np.testing.assert_allclose(part_of(raster, (0.25, 0.25), (1.0, 1.0), (5, 3, 9, 8)), fine[3:8, 5:9], atol=0.02)


@given(pictures, st.data())
def test_masks_gathered_in_any_order_are_those_of_their_rows(dense, data):
    masks = Masks.of(dense)
    rows = data.draw(st.lists(st.integers(0, len(masks) - 1), unique=True)) if len(masks) else []
    gathered = GatheredMasks(len(masks), masks.size)
    for row in rows:
        gathered.add(row, masks.to_coco()[row])
    expected = [one if row in rows else None for row, one in enumerate(masks.to_coco())]
    assert (gathered.all is None and not rows) or gathered.all.to_coco() == expected


def test_gathered_masks_are_text_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr("tracker.columns.masks._BLOCK", 1)
    taken, from_coco = [], Masks.from_coco
    monkeypatch.setattr(Masks, "from_coco", lambda some, size: taken.append(len(some)) or from_coco(some, size))
    gathered = GatheredMasks(10, (2, 3))
    for row in range(10):
        gathered.add(row, {"size": [2, 3], "counts": "231"})
    assert len(gathered.all) == 10 and max(taken) == 4


def test_counts_that_come_back_to_the_frame_s_size_by_running_over_are_refused():
    """2^64 pixels, and those of the frame, are those of the frame in 64 bits."""
    with pytest.raises(InputError, match="not of the frame"):
        Masks.from_coco([{"size": [2, 3], "counts": [2**62, 2**62, 2**62, 2**62, 6]}], (2, 3))
