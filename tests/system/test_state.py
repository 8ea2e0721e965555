"""A saved tracker goes on as if it had never stopped, and a file that is no state is said to be none."""

import json
import pickle
import resource
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load, load_file, save_file

from tracker import Config, Detections, Gallery, Tracker
from tracker.errors import ConfigError, DataError, InputError, OutputError, UsageError, WeightsError
from tracker.motion.baselines.constant_velocity import ConstantVelocity
from tracker.motion.baselines.frame_kalman import CLASSIC, FrameKalman
from tracker.motion.learned import LearnedPredictor
from tracker.motion.load import load_predictor
from tracker.motion.networks.base import TorchCore
from tracker.motion.networks.registry import NETWORKS
from tracker.motion.predictor import Observations
from tracker.system import state

FPS = 20
PICTURE = np.random.default_rng(0).integers(0, 255, (200, 640, 3), dtype=np.uint8)


def stream(seed, frames, embeddings=True):
    """Frames of a few objects that walk, flicker, leave and come back: pictures that shift, detections, times."""
    rng = np.random.default_rng(seed)
    people, time_s = rng.integers(1, 7), 0.0
    start, velocity = rng.uniform(0, 500, (people, 2)), rng.normal(0, 40, (people, 2))
    for i in range(frames):
        time_s += rng.choice([1, 1, 1, 2, 40]) / FPS
        seen = rng.random(people) < 0.7
        corner = (start + velocity * time_s + rng.normal(0, 2, (people, 2))) % 500
        own = np.eye(people, 512) + rng.normal(0, 0.01, (people, 512))
        found = Detections(
            np.c_[corner, corner + [40, 90]][seen],
            rng.uniform(0.1, 1, people)[seen],
            rng.integers(0, 3, people)[seen],
            own[seen] if embeddings and seen.any() else None,
        )
        yield {"frame": np.roll(PICTURE, 3 * i, axis=1), "detections": found, "time_s": time_s}


def follow(tracker, frames):
    """Everything that is reported of these frames, as bytes."""
    said = []
    for frame in frames:
        tracks = tracker.update(**frame)
        ahead = tracks.forecast(5)
        columns = tracks.ids, tracks.xyxy, tracks.scores, tracks.classes, tracks.status, tracks.detection_index
        said.append([part.tobytes() for part in (*columns, ahead.xyxy, ahead.std, tracker.camera_motion)])
        said[-1] += [tracks.interval_s, tracks.renamed, tracks.jitter]
    return said


def everything(tracker, path):
    """What `save` writes."""
    tracker.save(path)
    return path.read_bytes()


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.booleans(), st.booleans())
def test_saved_at_any_frame_it_goes_on_bit_for_bit(tmp_path_factory, seed, at, pictures, embeddings):
    path = tmp_path_factory.mktemp("state") / "state"
    config = Config().override({"appearance": {"enabled": embeddings}, "camera": {"method": "auto"}})
    frames = list(stream(seed, 45, embeddings))
    if not pictures:
        frames = [frame | {"frame": None} for frame in frames]
    usual = Tracker(config, device="cpu")
    follow(usual, frames[:at])
    usual.save(path)
    other = Tracker.load(path)
    assert everything(other, path.with_name("again")) == path.read_bytes()
    assert follow(usual, frames[at:]) == follow(other, frames[at:])


def test_with_pictures_that_the_cnn_looks_at(tmp_path):
    walk = [Detections([[20 + 5 * i, 50, 60 + 5 * i, 150], [400, 40, 450, 160]], [0.9, 0.8]) for i in range(14)]
    frames = [{"frame": PICTURE, "detections": found, "time_s": i / FPS} for i, found in enumerate(walk)]
    whole = follow(Tracker(device="cpu"), frames)
    first = Tracker(device="cpu")
    said = follow(first, frames[:7])
    first.save(tmp_path / "state")
    assert said + follow(Tracker.load(tmp_path / "state", device="cpu"), frames[7:]) == whole
    assert np.isfinite(first._bank.slots.embeddings[first._bank.live]).any(), "the CNN looked"


@pytest.mark.parametrize("model", ["", "kalman"])
def test_the_motion_model_is_saved_whichever_it_is(tmp_path, model):
    tracker = Tracker(Config().override({"motion": {"model": model}}))
    frames = [frame | {"frame": None} for frame in stream(1, 30)]
    follow(tracker, frames[:15])
    tracker.save(tmp_path / "state")
    assert follow(Tracker.load(tmp_path / "state"), frames[15:]) == follow(tracker, frames[15:])


def parts(part):
    """A stateful object and all within it."""
    yield part
    for name in part.saved:
        if isinstance(getattr(part, name), state.Stateful):
            yield from parts(getattr(part, name))


def torch_core(name):
    network = NETWORKS[name]()
    tensors = {key: value.numpy() for key, value in network.state_dict().items()}
    return TorchCore(network, tensors)


def test_no_attribute_is_forgotten():
    """A new one has to be named: saved, or rebuilt from what is."""
    tracker = Tracker(device="cpu")
    follow(tracker, stream(1, 20))
    kalman = load_predictor("kalman")
    others = [kalman, ConstantVelocity(), FrameKalman(0.1, CLASSIC["xyah"], True), torch_core("gru")]
    found = [part for whole in (tracker, *others) for part in parts(whole)]
    assert {"Tracker", "TrackBank", "Gallery", "LstmCore", "OnlineCalibration", "SimilarityScale", "CameraMotion"} <= {
        type(part).__name__ for part in found
    }
    for part in found:
        named = {*part.saved, *part.rebuilt}
        assert vars(part).keys() <= named, f"{type(part).__name__}: {vars(part).keys() - named}"
        assert not set(part.saved) & set(part.rebuilt)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_run_by_pytorch_is_saved_like_the_others(name):
    model = load_predictor()
    heads = {size: np.random.default_rng(0).normal(0, 0.1, (20, size)).astype(np.float32) for size in (128, 315)}

    def predictor():
        torch.manual_seed(0)
        core = torch_core(name)
        width = core.network.head.in_features
        head = heads.get(width, np.zeros((20, width), np.float32))
        return LearnedPredictor(model.parameters, core, head, np.zeros(20, np.float32))

    def step(predictor, i):
        boxes = np.array([[5 * i, 0, 40 + 5 * i, 90], [9 * i, 50, 60 + 9 * i, 150]], np.float32)
        slots = np.arange(2)
        if i:
            predictor.predict(slots, i / FPS)
        predictor.update(slots, Observations(boxes, np.ones(2, np.float32), i / FPS), np.full(2, i == 0))
        return predictor.forecast(slots, i / FPS + 1).cxcywh.tobytes()

    usual, other = predictor(), predictor()
    for i in range(30):
        step(usual, i)
    other.load_state_dict({key: np.array(value) for key, value in usual.state_dict().items()})
    assert [step(usual, i) for i in range(30, 60)] == [step(other, i) for i in range(30, 60)]


def test_trackers_that_share_a_gallery_go_on_with_the_one_that_was_saved(tmp_path):
    gallery = Gallery()
    door, hall = Tracker(gallery=gallery), Tracker(gallery=gallery)
    frames = [frame | {"frame": None} for frame in stream(5, 60)]
    follow(door, frames[:30]), follow(hall, frames[:30])
    door.save(tmp_path / "door"), hall.save(tmp_path / "hall"), gallery.save(tmp_path / "gallery")
    again = Gallery.load(tmp_path / "gallery")
    doors, halls = (Tracker.load(tmp_path / name, gallery=again) for name in ("door", "hall"))
    assert follow(door, frames[30:]) == follow(doors, frames[30:])
    assert follow(hall, frames[30:]) == follow(halls, frames[30:])


def test_whose_gallery_it_is_must_be_said(tmp_path):
    gallery, own = Gallery(), Tracker()
    shared = Tracker(gallery=gallery)
    follow(shared, [frame | {"frame": None} for frame in stream(5, 10)])
    shared.save(tmp_path / "shared"), own.save(tmp_path / "own")
    with pytest.raises(UsageError, match="shared its gallery"):
        Tracker.load(tmp_path / "shared")
    with pytest.raises(UsageError, match="of its own"):
        Tracker.load(tmp_path / "own", gallery=gallery)
    with pytest.raises(DataError, match="gallery, older or another"):
        Tracker.load(tmp_path / "shared", gallery=Gallery())


@pytest.fixture
def saved(tmp_path):
    tracker = Tracker()
    follow(tracker, [frame | {"frame": None} for frame in stream(2, 20)])
    tracker.save(tmp_path / "state")
    return tmp_path / "state"


def rewritten(path, head=None, arrays=None):
    """The file with another head or other arrays, and a digest that says that all is well."""
    content = load_file(path)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        note = json.loads(json.loads(file.read(length))["__metadata__"]["tracker state"])
    note |= head or {}
    content |= arrays or {}
    content = {name: array for name, array in content.items() if array is not None}
    del note["sha256"]
    note["sha256"] = state._digest(note, content)
    save_file(content, path, {"tracker state": json.dumps(note)})


def test_a_file_damaged_anywhere_is_one_sentence(saved):
    whole = saved.read_bytes()
    rng = np.random.default_rng(0)
    for place in [*range(0, 200, 7), *rng.integers(200, len(whole), 40).tolist()]:
        saved.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        with pytest.raises(DataError):
            Tracker.load(saved)
    for length in (0, 7, 8, 100, len(whole) - 1):
        saved.write_bytes(whole[:length])
        with pytest.raises(DataError):
            Tracker.load(saved)


HOSTILE = [
    ("a row too many", {"bank.slots.ids": np.zeros(999, np.int64)}, "slots"),
    ("another width than the gallery", {"bank.slots.embeddings": np.zeros((64, 5), np.float32)}, "gallery"),
    ("another type", {"bank.slots.ids": np.zeros(64, np.float32)}, "does not fit"),
    ("a slot twice", {"bank.live": np.zeros(2, np.int64)}, "slots"),
    ("a slot that is none", {"bank.live": np.array([10**9])}, "slots"),
    ("no filter", {"bank.predictor.filter.state": None}, "state is missing"),
    ("a filter without numbers", {"bank.predictor.filter.state": np.full((5, 16, 4), np.nan)}, "filter"),
    ("an attribute that is none", {"__class__": np.zeros(1)}, "__class__, which is no part"),
    ("a matrix that is none", {"camera_motion": np.eye(4)}, "camera_motion"),
    ("a time that is none", {"times.last_s": np.array(np.nan)}, "time"),
    ("a picture of no size", {"camera.size": np.array([0, 5])}, "picture"),
    ("an id that nobody gave", {"gallery.next_id": np.array(1)}, "gallery"),
]


@pytest.mark.parametrize(("arrays", "message"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_a_file_that_lies_is_one_sentence(saved, arrays, message):
    rewritten(saved, arrays=arrays)
    with pytest.raises(DataError, match=message):
        Tracker.load(saved)


def test_another_version_other_settings_and_other_weights_are_named(saved):
    about = {"config": Config().to_dict(), "weights": {"motion": "0" * 64}, "shared_gallery": False}
    rewritten(saved, {"about": about})
    with pytest.raises(DataError, match=r"other weights \(motion\)"):
        Tracker.load(saved)
    rewritten(saved, {"about": about | {"weights": {}, "config": {"bank": {"lost_frames": 3}}}})
    with pytest.raises(ConfigError, match="lost_frames"):
        Tracker.load(saved)
    rewritten(saved, {"about": {"config": {}}})
    with pytest.raises(DataError, match="does not say"):
        Tracker.load(saved)
    rewritten(saved, {"version": 99})
    with pytest.raises(DataError, match="version 99"):
        Tracker.load(saved)


def test_what_is_no_state_of_a_tracker_is_refused(tmp_path):
    Gallery().save(tmp_path / "gallery")
    (tmp_path / "pickle").write_bytes(pickle.dumps({"a": 1}))
    save_file({"a": np.zeros(3)}, tmp_path / "tensors")
    for name, message in [
        ("gallery", "state of a gallery"),
        ("pickle", "not a tracker's state"),
        ("tensors", "not a tracker's state"),
        ("nothing", "no state at"),
    ]:
        with pytest.raises(DataError, match=message):
            Tracker.load(tmp_path / name)


def test_what_cannot_be_written_leaves_the_old_state(saved):
    before = saved.read_bytes()
    with pytest.raises(OutputError):
        Tracker().save(saved.parent / "no" / "such" / "folder")
    saved.with_name(".state.part").mkdir()  # in the way of the draft, whoever runs the tests
    with pytest.raises(OutputError):
        Tracker().save(saved)
    assert saved.read_bytes() == before
    assert load(before)


class Failing:
    def __init__(self):
        self.names = {0: "person"}

    def __call__(self, frames):
        raise InputError("no such picture; give another")


REFUSED = [
    {"frame": None},
    {"frame": PICTURE[..., 0]},
    {"frame": PICTURE, "detections": [[1, 2, 3, 4]]},
    {"frame": PICTURE, "detections": Detections.empty(), "camera_motion": np.zeros((2, 3))},
    {"frame": PICTURE, "detections": Detections.empty(), "camera_motion": np.eye(2, 3) * 1e9},
    {"frame": PICTURE, "detections": Detections.empty(), "camera_motion": [[1, 0, 1e9], [0, 1, 0]]},
    {"frame": PICTURE, "detections": Detections.empty(), "camera_motion": [[1, 1, 0], [1, 1, 0]]},
    {"frame": PICTURE, "detections": Detections.empty(), "camera_motion": [[1, 0], [0]]},
    {"frame": PICTURE, "detections": Detections.empty(), "camera_motion": np.full((2, 3), np.nan)},
    {"frame": PICTURE, "detections": Detections.empty(), "time_s": 0.0},
    {"frame": PICTURE, "detections": Detections.empty(), "time_s": float("inf")},
    {"frame": PICTURE},
]


def test_a_refused_frame_leaves_no_trace(tmp_path):
    tracker = Tracker(device="cpu")
    tracker.networks.detector = Failing()
    follow(tracker, stream(4, 20))
    before = tracker.state_dict()
    copies = {name: np.array(array) for name, array in before.items()}
    for refused in REFUSED:
        with pytest.raises(InputError):
            tracker.update(**({"time_s": 1e6} | refused))
    after = tracker.state_dict()
    assert after.keys() == copies.keys()
    assert all(after[name].tobytes() == copies[name].tobytes() for name in copies)


def test_weights_that_are_missing_are_an_error_before_anything_is_learned(tmp_path):
    tracker = Tracker(Config().override({"appearance": {"model": str(tmp_path / "none.safetensors")}}), device="cpu")
    frame = next(f for f in stream(3, 20, embeddings=False) if len(f["detections"]))
    copies = {name: np.array(array) for name, array in tracker.state_dict().items()}
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        tracker.update(**frame)
    assert all(array.tobytes() == copies[name].tobytes() for name, array in tracker.state_dict().items())


def test_tracks_can_be_pickled_with_their_forecasts():
    for model in ("", "kalman"):
        tracker = Tracker(Config().override({"motion": {"model": model}}))
        for frame in stream(6, 12):
            tracks = tracker.update(None, frame["detections"], time_s=frame["time_s"])
        for part in (tracks, tracks.confirmed):
            copy = pickle.loads(pickle.dumps(part))
            assert copy.ids.tolist() == part.ids.tolist()
            assert copy.forecast(7).xyxy.tobytes() == part.forecast(7).xyxy.tobytes()
            assert copy.forecast(7, 0.5).std.tobytes() == part.forecast(7, 0.5).std.tobytes()


def of_many():
    """A gallery of 5 MB."""
    gallery = Gallery()
    for first in range(1, 500, 100):
        features = np.random.default_rng(first).normal(size=(100, 512)).astype(np.float32)
        ids = np.arange(first, first + 100)
        gallery.remember(ids, np.zeros(100, np.int64), features, np.ones(100, np.float32), 1, 0.0)
    return gallery


def test_what_is_saved_is_not_copied_first(tmp_path):
    gallery = of_many()
    gallery.save(tmp_path / "state")  # whatever is imported
    tracemalloc.start()
    gallery.save(tmp_path / "state")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < gallery.nbytes / 10


def test_a_disk_without_room_is_one_sentence_and_leaves_what_was_there(tmp_path):
    of_many().save(tmp_path / "state")
    there = (tmp_path / "state").read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"no space left to write .*state; make room"):
            of_many().save(tmp_path / "state")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "state").read_bytes() == there and [path.name for path in tmp_path.iterdir()] == ["state"]


ARRAYS = hnp.arrays(
    st.sampled_from([np.bool_, np.uint8, np.int32, np.int64, np.float32, np.float64, np.float16]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@given(st.dictionaries(st.text("ab._0é", min_size=1), ARRAYS, max_size=5))
def test_whatever_arrays_a_state_has_are_read_as_they_were(tmp_path_factory, arrays):
    path = tmp_path_factory.getbasetemp() / "any.state"
    arrays |= {f"{name}'": array.T[..., ::-1] for name, array in arrays.items() if array.ndim}  # not in one piece
    state.write(path, "test", {"of": 1}, arrays)
    about, found = state.read(path, "test")
    assert about == {"of": 1} and found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_a_state_is_for_whom_any_other_file_is_and_writing_it_makes_no_other_file(tmp_path, monkeypatch):
    (tmp_path / "other").touch()
    seen = []
    monkeypatch.setattr(Path, "replace", lambda *paths, replace=Path.replace: (seen.append(names()), replace(*paths)))

    def names():
        return {path.name for path in tmp_path.iterdir()}

    Gallery().save(tmp_path / "state")
    assert seen == [{"other", ".state.part"}], "which the next one writes to again after a kill"
    assert (tmp_path / "state").stat().st_mode == (tmp_path / "other").stat().st_mode
