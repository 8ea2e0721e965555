"""Features of any width and network: compared, remembered and saved as they are, and "none" to the LSTM."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tracker import Config, Detections, Gallery, Tracker
from tracker.appearance.similarity import EMBEDDED, is_embedded
from tracker.errors import InputError
from tracker.smoothing.offline import Recorder, post_processed

RATE = 10.0
OFF = Config().override({"appearance": {"enabled": False}})


def looks(width, people=2, seed=0):
    """(people, width) unit vectors, each at a right angle to the others."""
    random = np.random.default_rng(seed).standard_normal((width, people))
    return np.linalg.qr(random)[0].T.astype(np.float32)


def walkers(width, frames=30, away=range(0), scale=1.0, features=True):
    """Two people who walk in opposite directions; in the frames of `away` the second one is not seen."""
    own = looks(width) * scale
    for number in range(frames):
        there = [0] if number in away else [0, 1]
        left = np.array([100 + 4 * number, 700 - 4 * number])[there]
        boxes = np.stack([left, [50.0, 300.0][: len(there)], left + 40, [150.0, 400.0][: len(there)]], axis=1)
        yield Detections(boxes, features=own[there] if features else None)


def tracked(updates, tracker=None):
    tracker = tracker or Tracker(OFF)
    return [tracker.update(None, found, time_s=number / RATE) for number, found in enumerate(updates)]


def same(one, other):
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_array_equal(a.xyxy, b.xyxy)
        np.testing.assert_array_equal(a.forecast(9).xyxy, b.forecast(9).xyxy)


@pytest.mark.parametrize("width", [2, 128, 768, 2048])
def test_embeddings_of_any_width_come_back_with_their_tracks(width):
    tracks = tracked(walkers(width))[-1]
    np.testing.assert_allclose(tracks.embeddings, looks(width)[tracks.detection_index], atol=1e-6)


@pytest.mark.parametrize("width", [16, 768])
def test_who_comes_back_is_known_by_features_of_any_width(width):
    """The second person is away for longer than motion follows it, and comes back far from where it left."""
    own, ids = looks(width), []
    tracker = Tracker(OFF)
    for number in range(120):
        there = [0] if 40 <= number < 90 else [0, 1]
        x = np.array([100 + number, 700 if number < 40 else 300])[there]
        y = np.array([50.0, 300.0 if number < 40 else 600.0])[there]
        found = Detections(np.stack([x, y, x + 40, y + 100], axis=1), features=own[there])
        ids.append(tracker.update(None, found, time_s=number / RATE).ids.tolist())
    assert ids[30] == ids[-1] == [1, 2]


def test_a_width_is_only_a_width():
    """The same geometry of features in more dimensions is the same stream: nothing but dot products is asked."""
    found = list(walkers(68, 60, range(20, 45)))
    more = [Detections(part.xyxy, features=np.pad(part.features, ((0, 0), (0, 700)))) for part in found]
    same(tracked(found), tracked(more))


def test_the_lstm_takes_its_none_of_another_width_and_of_another_network(tmp_path):
    """Of one person features can decide no match: what is left is what the LSTM makes of them."""

    def alone(width, features=True):
        return [found[:1] for found in walkers(width, features=features)]

    without = tracked(alone(512, features=False), Tracker())
    same(tracked(alone(768), Tracker()), without)
    same(tracked(alone(512), Tracker(OFF)), without)
    other = {name: value + np.float32(1e-3) for name, value in load_file(EMBEDDED).items() if value.dtype.kind == "f"}
    rest = {name: value for name, value in load_file(EMBEDDED).items() if value.dtype.kind != "f"}
    save_file({**other, **rest}, tmp_path / "other.safetensors")
    of_other = Config().override({"appearance": {"model": str(tmp_path / "other.safetensors")}})
    same(tracked(alone(512), Tracker(of_other)), without)
    own = tracked(alone(512), Tracker())
    assert (own[-1].forecast(9).xyxy != without[-1].forecast(9).xyxy).all()


def test_a_copy_of_the_embedded_weights_is_the_embedded_network(tmp_path):
    save_file(load_file(EMBEDDED), tmp_path / "copy.safetensors", {"note": "of track export"})
    assert is_embedded("") and is_embedded(EMBEDDED) and is_embedded(tmp_path / "copy.safetensors")


@pytest.mark.parametrize("width", [64, 1024])
def test_a_saved_stream_goes_on_with_its_width(tmp_path, width):
    found = list(walkers(width, 60, range(20, 40)))
    whole = tracked(found)
    tracker = Tracker(OFF)
    tracked(found[:30], tracker)
    tracker.save(tmp_path / "state")
    tracker.gallery.save(tmp_path / "gallery")
    again = Tracker.load(tmp_path / "state")
    same([again.update(None, f, time_s=n / RATE) for n, f in enumerate(found[30:], 30)], whole[30:])
    with pytest.raises(InputError, match=f"features are 5 wide, those of the gallery {width}"):
        Gallery.load(tmp_path / "gallery").recall(np.zeros((1, 5), np.float32), np.zeros(0, np.int64), 1, 9.0)


def test_a_width_that_changes_is_one_sentence_and_leaves_no_trace():
    found = list(walkers(64, 30))
    tracker = Tracker(OFF)
    before = tracked(found[:10], tracker)
    with pytest.raises(InputError) as error:
        tracker.update(None, next(walkers(65)), time_s=1.0)
    assert str(error.value) == (
        "features are 65 wide, those of the gallery 64; give one network's features for every frame "
        "(appearance: {enabled: false} keeps the CNN from adding its own), or begin anew with reset()"
    )
    same(before + [tracker.update(None, f, time_s=n / RATE) for n, f in enumerate(found[10:], 10)], tracked(found))
    tracker.reset()
    assert tracker.update(None, next(walkers(65))).embeddings.shape == (2, 65)


def test_the_cnns_features_beside_others_are_that_change(tmp_path):
    """A frame without features is the CNN's to look at; one in which nothing was found is nobody's."""
    picture = np.full((480, 800, 3), 90, np.uint8)
    tracker = Tracker()
    tracker.update(picture, next(walkers(64)))
    tracker.update(picture, Detections.empty())
    with pytest.raises(InputError, match="features are 512 wide, those of the gallery 64; give one network's"):
        tracker.update(picture, next(walkers(64, features=False)))


def test_trackers_that_share_a_gallery_share_a_width():
    gallery = Gallery()
    Tracker(OFF, gallery=gallery).update(None, next(walkers(64)))
    other = Tracker(OFF, gallery=gallery)
    with pytest.raises(InputError, match="features are 32 wide, those of the gallery 64"):
        other.update(None, next(walkers(32)))
    assert other.update(None, next(walkers(64))).embeddings.shape == (2, 64)


def test_features_without_numbers_are_named():
    with pytest.raises(InputError, match=r"features has shape \(1, 0\); expected \(1, D\)"):
        Detections([[0, 0, 9, 9]], features=np.zeros((1, 0)))
    assert len(Tracker(OFF).update(None, Detections(np.zeros((0, 4)), features=[]))) == 0


def test_offline_post_processing_links_by_them():
    tracker, recorder = Tracker(OFF), Recorder()
    for number, found in enumerate(walkers(96, 60, range(20, 24))):
        tracks = tracker.update(None, found, time_s=number / RATE)
        recorder.add(tracks, found, tracker.camera_motion, tracker.features)
    table = post_processed(recorder.table(), OFF)
    assert sorted(set(table.ids.tolist())) == [1, 2] and table.embeddings.shape == (2, 96)
