"""What other libraries give is taken as it is, row by row; what is not known is answered with how."""

import numpy as np
import pytest
import torch
from ultralytics.engine.results import Results

from tracker import Detections, Tracker
from tracker.columns import foreign
from tracker.errors import InputError

NAMES = {0: "person", 3: "forklift"}
FRAME = np.zeros((96, 160, 3), np.uint8)
ROWS = torch.tensor([[8.0, 8.0, 40.0, 64.0, 0.9, 0.0], [80.0, 16.0, 120.0, 88.0, 0.85, 3.0]])


def results(**more):
    return Results(FRAME, path="", names=NAMES, boxes=ROWS, **more)


def box_masks(rows, size):
    """Each box filled, (N, H, W)."""
    masks = np.zeros((len(rows), *size), bool)
    for mask, (left, top, right, bottom) in zip(masks, rows, strict=True):
        mask[int(top) : int(bottom), int(left) : int(right)] = True
    return masks


class TestUltralytics:
    def test_boxes_scores_classes_and_names(self):
        found = Detections.from_ultralytics([results()])
        np.testing.assert_array_equal(found.xyxy, ROWS[:, :4].numpy())
        np.testing.assert_allclose(found.scores, [0.9, 0.85])
        assert found.classes.tolist() == [0, 3] and found.names == NAMES
        assert found.masks is None and found.keypoints is None and found.corners is None

    def test_masks_of_the_frames_size_are_exact(self):
        masks = box_masks(ROWS[:, :4].numpy(), (96, 160))
        found = Detections.from_ultralytics(results(masks=torch.from_numpy(masks)))
        np.testing.assert_array_equal(found.masks.dense(), masks)

    def test_masks_in_a_letterbox_are_brought_to_the_frame(self):
        """The frame at half its size, with 8 pixels of padding above and below."""
        masks = box_masks(ROWS[:, :4].numpy() / 2 + [0, 8, 0, 8], (64, 80))
        found = Detections.from_ultralytics(results(masks=torch.from_numpy(masks).float()))
        expected = box_masks(ROWS[:, :4].numpy(), (96, 160))
        common = (found.masks.dense() & expected).sum((1, 2)) / (found.masks.dense() | expected).sum((1, 2))
        assert (common > 0.99).all()

    def test_keypoints_with_and_without_confidences(self):
        points = torch.rand(2, 17, 3) * 50 + 1
        points[..., 2] = 0.8
        points[0, 3] = torch.tensor([0.0, 0.0, 0.1])  # as some versions mark what they do not believe
        found = Detections.from_ultralytics(results(keypoints=points.clone()))
        assert found.keypoints.shape == (2, 17, 3)
        assert np.isnan(found.keypoints[0, 3, :2]).all() and found.keypoints[0, 3, 2] == pytest.approx(0.1)
        np.testing.assert_allclose(found.keypoints[1], points[1].numpy())
        bare = Detections.from_ultralytics(results(keypoints=points[..., :2].clone()))
        assert (bare.keypoints[1, :, 2] == 1).all()

    def test_oriented_boxes_have_corners_and_are_tracked_on_the_box_around_them(self):
        turned = torch.tensor([[50.0, 40.0, 30.0, 10.0, 0.5, 0.9, 3.0]])
        found = Detections.from_ultralytics(Results(FRAME, path="", names=NAMES, obb=turned))
        assert found.corners.shape == (1, 4, 2) and found.classes.tolist() == [3]
        np.testing.assert_allclose(found.xyxy[0, :2], found.corners[0].min(axis=0), atol=1e-3)
        np.testing.assert_allclose(found.xyxy[0, 2:], found.corners[0].max(axis=0), atol=1e-3)

    def test_nothing_found_and_a_box_that_was_clipped_to_nothing(self):
        assert len(Detections.from_ultralytics(Results(FRAME, path="", names=NAMES, boxes=torch.zeros(0, 6)))) == 0
        flat = torch.tensor([[160.0, 10.0, 160.0, 50.0, 0.5, 0.0]])
        assert len(Detections.from_ultralytics(Results(FRAME, path="", names=NAMES, boxes=flat))) == 1

    def test_results_without_boxes_are_named(self):
        with pytest.raises(InputError, match="Results holds no boxes; give the Results of one frame of a detect"):
            Detections.from_ultralytics(Results(FRAME, path="", names=NAMES, probs=torch.rand(4)))

    def test_what_another_library_gave_is_answered_with_how_to_take_it(self):
        supervision = pytest.importorskip("supervision").Detections(ROWS[:, :4].numpy())
        for given, said in (
            (supervision, r"Detections is no Results of Ultralytics; give Detections\.from_supervision\(found\)"),
            (ROWS, r"Tensor is no Results of Ultralytics; give Detections\(rows\[:, :4\], rows\[:, 4\]"),
        ):
            with pytest.raises(InputError, match=said):
                Detections.from_ultralytics(given)
        with pytest.raises(InputError, match=r"no supervision\.Detections; give Detections\.from_ultralytics\(found\)"):
            Detections.from_supervision(results())

    def test_fewer_masks_than_boxes_are_named(self):
        with pytest.raises(InputError, match="masks has 1 rows; expected 2, one for each box"):
            Detections.from_ultralytics(results(masks=torch.ones(1, 64, 80)))


class TestSupervision:
    sv = pytest.importorskip("supervision")

    def detections(self):
        return self.sv.Detections(
            xyxy=ROWS[:, :4].numpy(),
            confidence=np.array([0.9, 0.85]),
            class_id=np.array([0, 3]),
            mask=box_masks(ROWS[:, :4].numpy(), (96, 160)),
            data={
                "class_name": np.array(["person", "forklift"]),
                "xyxyxyxy": np.arange(16.0).reshape(2, 4, 2),
                "plate": ["A", "B"],
            },
        )

    def test_all_that_it_has_is_taken(self):
        found = Detections.from_supervision(self.detections())
        assert found.names == NAMES and found.data["plate"].tolist() == ["A", "B"] and list(found.data) == ["plate"]
        np.testing.assert_array_equal(found.masks.dense(), self.detections().mask)
        np.testing.assert_array_equal(found.corners, np.arange(16.0).reshape(2, 4, 2))

    def test_there_and_back_nothing_is_lost(self):
        """Through three frames of a tracker, the last of which one object is missing in."""
        tracker = Tracker()
        for number in range(3):
            tracks = tracker.update(None, self.detections(), time_s=number / 30)
        back = tracks.to_supervision()
        assert back.data["class_name"].tolist() == ["person", "forklift"]
        assert back.data["plate"].tolist() == ["A", "B"] and back.tracker_id.tolist() == tracks.ids.tolist()
        np.testing.assert_array_equal(back.mask, self.detections().mask)
        again = Detections.from_supervision(back)
        assert again.names == NAMES and again.data["plate"].tolist() == ["A", "B"]
        np.testing.assert_array_equal(again.corners, np.arange(16.0).reshape(2, 4, 2))
        lost = Tracker.update(tracker, None, look=False).to_supervision()  # carries nothing
        assert lost.mask is None and len(lost) == 2

    def test_a_predicted_track_has_an_empty_mask_and_its_own_box_for_corners(self):
        tracks = Tracker().update(None, self.detections())
        predicted = type(tracks)(**{**fields(tracks), "detection_index": np.array([0, -1]), "status": np.array([1, 2])})
        back = foreign.to_supervision(predicted)
        assert back.mask[0].any() and not back.mask[1].any()
        left, top, right, bottom = tracks.xyxy[1]
        np.testing.assert_array_equal(
            back.data["xyxyxyxy"][1], [[left, top], [right, top], [right, bottom], [left, bottom]]
        )

    def test_a_column_called_as_the_class_names_does_not_take_their_place(self):
        found = Detections(ROWS[:, :4], classes=[0, 3], data={"class_name": ["a", "b"]}, names=NAMES)
        assert Tracker().update(None, found).data["class_name"].tolist() == ["a", "b"]
        tracker = Tracker()
        for number in range(3):
            tracks = tracker.update(None, found, time_s=number / 30)
        assert tracks.to_supervision()["class_name"].tolist() == ["person", "forklift"]

    def test_its_annotators_take_our_tracks(self):
        tracker = Tracker()
        for number in range(3):
            tracks = tracker.update(None, self.detections(), time_s=number / 30)
        for annotator in (self.sv.MaskAnnotator(), self.sv.OrientedBoxAnnotator(), self.sv.BoxAnnotator()):
            assert annotator.annotate(FRAME.copy(), tracks.to_supervision()).any()


def fields(tracks):
    return {name: getattr(tracks, name) for name in tracks.__dataclass_fields__}


class TestUpdate:
    @pytest.mark.parametrize("swapped", [False, True])
    def test_takes_what_is_known_as_it_is_in_either_order(self, swapped):
        masks = torch.from_numpy(box_masks(ROWS[:, :4].numpy(), (96, 160)))
        pair = (FRAME, results(masks=masks))
        tracker = Tracker(Tracker().config.override({"appearance": {"enabled": False}}))
        tracks = tracker.update(*(pair[::-1] if swapped else pair))
        expected = tracker.__class__().update(None, Detections.from_ultralytics(pair[1]))
        np.testing.assert_array_equal(tracks.xyxy, expected.xyxy)
        assert tracks.names == NAMES and tracks.masks.known.all()

    @pytest.mark.parametrize(
        ("value", "answer"),
        [
            (
                {"boxes": [], "scores": [], "labels": []},
                "dict; give Detections(found['boxes'], found['scores'], ",
            ),
            (torch.zeros(2, 6), "Tensor; give Detections(rows[:, :4], rows[:, 4], rows[:, 5])"),
            ([results(), results()], "list; give the results of one frame, one update after another"),
            ("boxes", "str; give Detections(xyxy, scores, classes), or the results of Ultralytics or supervision as"),
            (type("Instances", (), {"pred_boxes": 1})(), "Instances; give Detections(found.pred_boxes.tensor, found."),
        ],
    )
    def test_answers_what_is_not_known_with_how(self, value, answer):
        with pytest.raises(InputError) as error:
            Tracker().update(None, value)
        assert f"detections is {answer}" in str(error.value)

    @pytest.mark.parametrize("several", [[FRAME, FRAME], (results(), results()), []])
    def test_of_several_frames_at_once_is_told_how(self, several):
        with pytest.raises(InputError, match=rf"update got a \w+ of {len(several)} in the place of a frame; give one"):
            Tracker().update(several)

    def test_masks_of_another_size_than_the_frame_are_named(self):
        """As a network gives them; they would be drawn and written in the wrong place."""
        tracker = Tracker(Tracker().config.override({"appearance": {"enabled": False}}))
        found = Detections(ROWS[:, :4], masks=np.zeros((2, 64, 80)))
        with pytest.raises(InputError, match=r"masks has \(H, W\) \(64, 80\), frame \(96, 160\); bring the masks to"):
            tracker.update(FRAME, found)
        assert tracker.update(FRAME, Detections.empty()).time_s == 0  # what failed left no trace
