"""Who is to be blurred is unreadable: by mask, head or box, seen or only expected to be there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import Detections, Masks, Status, Tracks
from tracker.errors import UsageError
from tracker.output.blur import Blur, Foreseen, looking_ahead

NAMES = {0: "person", 2: "car"}
SIZE = (120, 160)  # height and width
BOX = (40, 20, 80, 100)
NOBODY = Detections.empty()


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)


def blurred(*objects, classes=("person",), time_s=0.0, blur=None) -> np.ndarray:
    """(H, W) which pixels of a picture of noise are not as they were."""
    picture = noise()
    (blur or Blur(classes, NAMES))(picture, *objects, time_s=time_s)
    return (picture != noise()).any(axis=2)


def person(box=BOX, number=0, **columns) -> Detections:
    return Detections([box], classes=[number], **{name: np.array([value]) for name, value in columns.items()})


def track(box=BOX, status=Status.CONFIRMED, number=0, now=0, detected=NOBODY) -> Tracks:
    one, row = np.ones(1, np.int64), np.array([0 if len(detected) else -1])
    xyxy = np.array([box], np.float32)
    kinds = number * one, now * one, int(status) * one
    return Tracks(one, xyxy, np.float32(one), *kinds, row, 0.0, 0.1, detected=detected.columns)


def inside(box) -> np.ndarray:
    """(H, W) the pixels of a box."""
    mask = np.zeros(SIZE, bool)
    left, top, right, bottom = np.clip(box, 0, [*SIZE[::-1]] * 2)
    mask[top:bottom, left:right] = True
    return mask


def test_a_box_is_some_blocks_of_one_colour_each_and_all_else_stays():
    picture = noise()
    Blur(["person"], NAMES)(picture, person(), time_s=0.0)
    changed = (picture != noise()).any(axis=2)
    assert changed[inside(BOX)].all() and not changed[~inside((32, 12, 88, 108))].any()
    assert len(np.unique(picture[20:100, 40:80].reshape(-1, 3), axis=0)) <= 8 * 4


@pytest.mark.parametrize("off", [-8, 8])
def test_a_person_is_hidden_by_a_box_that_is_off_by_a_fifth_of_its_width(off):
    left, top, right, bottom = BOX
    assert blurred(person((left + off, top, right + off, bottom)))[inside(BOX)].all()


@pytest.mark.parametrize("status", Status)
def test_a_track_is_hidden_whether_it_is_seen_or_expected_or_not_yet_believed(status):
    assert blurred(track(status=status))[inside(BOX)].all()


def test_what_no_track_stands_for_is_hidden_beside_the_tracks():
    other = (100, 20, 130, 90)
    assert blurred(track(), person(other))[inside(BOX) | inside(other)].all()


def test_only_the_classes_asked_for_are_hidden_by_number_too():
    assert not blurred(person(number=2)).any()
    assert blurred(person(number=2), classes=["2"])[inside(BOX)].all()


@pytest.mark.parametrize(("number", "now"), [(0, 2), (2, 0)])
def test_a_track_is_of_a_class_by_its_life_or_by_this_frame(number, now):
    assert blurred(track(number=number, now=now))[inside(BOX)].all()


@given(
    st.lists(
        st.tuples(st.integers(-60, 150), st.integers(-60, 110), st.integers(2, 90), st.integers(2, 90)), max_size=5
    )
)
def test_every_pixel_of_every_box_is_hidden_wherever_they_lie(places):
    boxes = [(left, top, left + width, top + height) for left, top, width, height in places]
    found = Detections(np.array(boxes, np.float32).reshape(-1, 4))
    picture, flat = noise(), np.zeros((*SIZE, 3), np.uint8)
    flat[:] = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(*SIZE, 1) % 251  # neighbours differ everywhere
    for image in (picture, flat):
        before = image.copy()
        Blur(["person"], NAMES)(image, found, time_s=0.0)
        hidden = np.zeros(SIZE, bool)
        for box in boxes:
            hidden |= inside(box)
        same = (image == before).all(axis=2) & hidden
        assert same.sum() <= 0.03 * hidden.sum(), "a mean may be the pixel's own value, by chance"


class TestMask:
    """A slope from the upper left to the lower right of the box."""

    slope = np.zeros(SIZE, bool)
    for row in range(80):
        slope[20 + row, 40 + row // 4 : 60 + row // 4] = True

    def test_it_is_hidden_and_not_the_rest_of_the_box(self):
        changed = blurred(person(masks=self.slope))
        assert changed[self.slope].all()
        assert not changed[80:100, 40:48].any() and not changed[20:40, 74:80].any()

    def test_a_track_has_that_of_its_detection_and_without_one_its_box_is_hidden(self):
        found = person(masks=self.slope)
        seen, predicted = track(detected=found), track(status=Status.PREDICTED)
        assert np.array_equal(blurred(seen, found), blurred(found))
        assert blurred(seen, predicted)[inside(BOX)].all()

    def test_one_that_has_missed_the_object_does_not_count(self):
        little = np.zeros(SIZE, bool)
        little[30:40, 50:60] = True
        for mask in (little, np.zeros(SIZE, bool)):
            assert blurred(person(masks=mask))[inside(BOX)].all()

    def test_of_no_pixel_is_not_taken_for_the_next_one_that_a_track_has(self):
        other = (100, 20, 130, 90)
        found = Detections([other, BOX], masks=np.stack([np.zeros(SIZE, bool), self.slope]))
        seen = track(detected=found[np.array([1])])
        assert blurred(seen, found)[inside(other)].all()

    def test_at_the_edge_of_the_frame(self):
        for box in ((0, 0, 30, 60), (130, 60, 160, 120)):
            changed = blurred(person(box, masks=inside(box)))
            assert changed[inside(box)].all()

    def test_rows_without_one_beside_rows_with_one(self):
        masks = Masks.of(self.slope[None]).take(np.array([0, -1]))
        other = (100, 20, 130, 90)
        changed = blurred(Detections([BOX, other], masks=masks))
        assert changed[self.slope | inside(other)].all() and not changed[80:100, 40:48].any()


class TestHeads:
    """The head of somebody who stands."""

    box = (60, 10, 90, 110)
    face = ((75, 18), (78, 16), (72, 16), (80, 18), (70, 18))
    shoulders = ((85, 34), (65, 34))

    def points(self, confidence=0.9, face=face, shoulders=shoulders) -> np.ndarray:
        points = np.full((17, 3), np.nan, np.float32)
        points[: len(face), :2], points[5 : 5 + len(shoulders), :2] = face, shoulders
        points[:, 2] = confidence
        return points

    def test_it_is_around_the_face_and_the_body_stays(self):
        changed = blurred(person(self.box, keypoints=self.points()), classes=["heads"])
        assert changed[inside((66, 10, 84, 27))].all() and not changed[36:].any()

    def test_of_one_who_bends_it_is_where_the_face_is(self):
        low = tuple((x - 20, y + 70) for x, y in self.face)
        points = self.points(face=low, shoulders=((60, 75), (50, 70)))
        changed = blurred(person((40, 40, 90, 110), keypoints=points), classes=["heads"])
        assert changed[inside((47, 82, 63, 94))].all() and not changed[:60].any()

    @pytest.mark.parametrize("unsure", ["no keypoints", "not sure of them", "the back"])
    def test_without_a_sure_face_it_is_the_upper_part_of_the_box(self, unsure):
        found = {
            "no keypoints": person(self.box),
            "not sure of them": person(self.box, keypoints=self.points(confidence=0.2)),
            "the back": person(self.box, keypoints=np.vstack([np.full((5, 3), np.nan), self.points()[5:]])),
        }[unsure]
        changed = blurred(found, classes=["heads"])
        assert changed[inside((60, 10, 90, 40))].all() and not changed[46:].any()

    def test_of_one_cut_off_at_the_waist_it_is_more_of_the_box(self):
        changed = blurred(person((60, 60, 100, 110)), classes=["heads"])
        assert changed[inside((60, 60, 100, 90))].all()

    def test_a_predicted_track_has_one_too(self):
        assert blurred(track(self.box, Status.PREDICTED), classes=["heads"])[inside((60, 10, 90, 40))].all()

    def test_beside_whole_objects_of_another_class(self):
        changed = blurred(person(self.box), person((110, 30, 150, 70), number=2), classes=["heads", "car"])
        assert changed[inside((60, 10, 90, 40)) | inside((110, 30, 150, 70))].all()

    def test_a_class_of_that_name_is_just_that(self):
        picture = noise()
        Blur(["heads"], {0: "heads"})(picture, person(), time_s=0.0)
        assert (picture != noise()).any(axis=2)[inside(BOX)].all()


class TestLost:
    """Somebody is seen, and then nothing is found."""

    def after(self, seconds: float, *then) -> np.ndarray:
        blur = Blur(["person"], NAMES)
        blurred(track(), blur=blur)
        return blurred(*then, time_s=seconds, blur=blur)

    def test_the_place_is_hidden_for_a_moment_and_a_little_around_it(self):
        changed = self.after(0.4, NOBODY)
        assert changed[inside((30, 10, 90, 110))].all()

    def test_and_then_no_longer(self):
        assert not self.after(1.1, NOBODY).any()

    def test_nor_where_the_object_has_only_moved_on(self):
        moved = (52, 20, 92, 100)
        changed = self.after(0.04, track(moved))
        assert changed[inside(moved)].all() and not changed[inside((36, 20, 43, 100))].any()

    def test_in_pictures_of_another_size_it_is_the_same_place(self):
        blur, twice = Blur(["person"], NAMES), noise().repeat(2, axis=0).repeat(2, axis=1)
        blurred(track(), blur=blur)
        picture = twice.copy()
        blur(picture, NOBODY, time_s=0.1)
        changed = (picture != twice).any(axis=2)
        assert changed[40:200, 80:160].mean() > 0.99 and not changed[:, :50].any()

    def test_a_stream_that_begins_anew_knows_nothing(self):
        assert not self.after(-5.0, NOBODY).any()


class TestForeseen:
    """Somebody is found only after having been there for a while."""

    def soon(self, *frames) -> list[list]:
        """Of frames 0.25 s apart, what the later ones show."""
        ahead = Foreseen(Blur(["person"], NAMES))
        return [ahead.push(found, 0.25 * number) for number, found in enumerate(frames)]

    def test_the_place_is_hidden_for_a_second_before(self):
        soon = self.soon(NOBODY, None, NOBODY, NOBODY, NOBODY, person())
        assert [len(boxes) for boxes in soon] == [0, 1, 1, 1, 1, 0]
        assert blurred(NOBODY, time_s=1.0, blur=Blur(["person"], NAMES)).sum() == 0
        picture = noise()
        Blur(["person"], NAMES)(picture, NOBODY, time_s=1.0, soon=soon[2])
        assert (picture != noise()).any(axis=2)[inside(BOX)].all()

    def test_but_not_beyond_where_something_was_found_there_already(self):
        moved = (52, 20, 92, 100)
        assert [len(boxes) for boxes in self.soon(NOBODY, person(moved), NOBODY, person())] == [1, 0, 1, 0]

    def test_nor_where_a_track_stands_for_it(self):
        picture, moved = noise(), (52, 20, 92, 100)
        Blur(["person"], NAMES)(picture, track(moved), time_s=0.0, soon=[np.array([BOX], np.float32)])
        assert not (picture != noise()).any(axis=2)[inside((36, 12, 43, 108))].any()

    def test_nor_of_other_classes(self):
        assert self.soon(NOBODY, person(number=2)) == [[], []]

    def test_a_whole_video_is_gone_through_a_second_ahead(self):
        frames = [(0.25 * number, person() if number == 9 else None) for number in range(12)]
        known = list(looking_ahead(Blur(["person"], NAMES), frames))
        assert [found for found, _ in known] == [found for _, found in frames]
        assert [len(soon) for _, soon in known] == [0] * 5 + [1] * 4 + [0] * 3


@pytest.mark.parametrize(
    ("classes", "names", "words"),
    [
        (["persn"], NAMES, "did you mean 'person'"),
        (["heads"], {2: "car"}, "knows no class 'person', whose heads"),
        (["Faces"], NAMES, "no class 'Faces'; did you mean 'heads'"),
        ([], NAMES, "no class to blur; name some"),
    ],
)
def test_what_cannot_be_hidden_is_an_error_never_a_clear_picture(classes, names, words):
    with pytest.raises(UsageError, match=words):
        Blur(classes, names)


def test_a_class_that_is_not_known_is_looked_up_in_the_detector_that_is_used():
    many = {number: f"class {number}" for number in range(20)}
    with pytest.raises(UsageError, match=r"; track info mine\.pt lists the 20 it knows"):
        Blur(["fish"], many, "mine.pt")
