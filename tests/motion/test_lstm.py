"""The motion network: what it is made of, and that what is trained is what runs."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from helpers.motion_steps import step

torch = pytest.importorskip("torch")

from tracker.errors import WeightsError  # noqa: E402
from tracker.motion import lstm_core  # noqa: E402
from tracker.motion.geometry import GEOMETRY_SIZE  # noqa: E402
from tracker.motion.head import OUTPUTS, REACH, STRETCH, corrected  # noqa: E402
from tracker.motion.kalman_predictor import KalmanPredictor  # noqa: E402
from tracker.motion.learned import LearnedPredictor  # noqa: E402
from tracker.motion.load import load_predictor  # noqa: E402
from tracker.motion.lstm_core import LstmCore  # noqa: E402
from tracker.motion.networks.base import TorchCore  # noqa: E402
from tracker.motion.networks.lstm import MotionNetwork  # noqa: E402
from tracker.motion.networks.registry import NETWORKS  # noqa: E402
from tracker.motion.predictor import Observations  # noqa: E402
from tracker.motion.weights import EMBEDDED, read_weights, write_weights  # noqa: E402
from tracker.structures import FEATURE_SIZE  # noqa: E402


def network(kind=MotionNetwork):
    """One whose every weight matters: the head and the no-feature vector start at zero in training."""
    torch.manual_seed(3)
    made = kind()
    for value in (made.head.weight, made.head.bias, made.no_feature):
        torch.nn.init.normal_(value, std=0.3)
    return made.eval()


def tensors(made):
    return {name: value.detach().numpy() for name, value in made.state_dict().items()}


@pytest.fixture
def inputs():
    """Six tracks of 50 observations; features for some rows, NaN for others, none at all in some steps."""
    generator = torch.Generator().manual_seed(5)
    geometry = torch.randn(6, 50, GEOMETRY_SIZE, generator=generator)
    features = torch.nn.functional.normalize(torch.randn(6, 50, 512, generator=generator), dim=-1)
    features[torch.rand(6, 50, generator=generator) < 0.5] = torch.nan
    features[:, 10:20] = torch.nan
    return geometry, features


def test_the_core_is_exactly_a_two_layer_lstm_of_512_to_128():
    lstm = MotionNetwork().recurrent
    assert type(lstm) is torch.nn.LSTM
    assert (lstm.input_size, lstm.hidden_size, lstm.num_layers) == (512, 128, 2)
    assert lstm.batch_first and lstm.bias and not lstm.bidirectional and not lstm.proj_size and not lstm.dropout
    hidden, _ = lstm(torch.zeros(8, 10, 512))
    assert hidden.shape == (8, 10, 128)
    assert MotionNetwork().input_map(torch.zeros(8, 10, GEOMETRY_SIZE)).shape == (8, 10, 512)


def test_folding_the_input_map_into_the_lstm_changes_no_number(inputs):
    geometry, features = inputs
    made = network()
    with torch.no_grad():
        for embedding in (features, None):
            hidden, _ = made.recurrent(made.input_map(geometry, embedding))
            torch.testing.assert_close(made(geometry, embedding)[0], made.head(hidden), atol=1e-5, rtol=0)


@pytest.mark.parametrize("with_features", [True, False])
def test_the_step_in_numpy_is_the_sequence_in_pytorch(inputs, with_features):
    geometry, features = inputs
    made = network()
    core = LstmCore(tensors(made))
    core.reserve(16)
    slots = np.array([9, 0, 4, 15, 2, 7])
    core.state[:] = 7.0
    core.clear(slots)
    steps = [
        core.step(slots, geometry[:, t].numpy(), features[:, t].numpy() if with_features else None) for t in range(50)
    ]
    with torch.no_grad():
        hidden, _ = made.recurrent(made.input_map(geometry, features if with_features else None))
    np.testing.assert_allclose(np.stack(steps, axis=1), hidden.numpy(), atol=1e-5)
    others = np.setdiff1d(np.arange(16), slots)
    assert (core.state[:, :, others] == 7.0).all(), "slots that were not asked about keep their state"


def test_blocks_of_many_tracks_are_stepped_side_by_side_to_the_same_bits_as_one_by_one():
    chance, count = np.random.default_rng(2), 2 * lstm_core._BLOCK + 300
    weights = tensors(network())
    together, apart = LstmCore(weights), LstmCore(weights)
    for core in (together, apart):
        core.reserve(count)
    slots = chance.permutation(count)
    for with_looks in (True, False, True):
        geometry = chance.standard_normal((count, GEOMETRY_SIZE), np.float32)
        features = chance.standard_normal((count, FEATURE_SIZE), np.float32)
        features[chance.random(count) < 0.5] = np.nan
        looks = features if with_looks else None
        blocks = [slice(begin, begin + lstm_core._BLOCK) for begin in range(0, count, lstm_core._BLOCK)]
        one_by_one = [apart.step(slots[b], geometry[b], None if looks is None else looks[b]) for b in blocks]
        np.testing.assert_array_equal(together.step(slots, geometry, looks), np.concatenate(one_by_one))
        np.testing.assert_array_equal(together.state, apart.state)


@pytest.mark.parametrize("kind", NETWORKS.values(), ids=NETWORKS)
def test_any_network_goes_on_from_its_state_by_chunks_and_by_steps(kind, inputs):
    geometry, features = inputs
    made = network(kind)
    with torch.no_grad():
        whole, _ = made(geometry, features)
        first, state = made(geometry[:, :35], features[:, :35])
        second, _ = made(geometry[:, 35:], features[:, 35:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=1e-4, rtol=0)
    core = TorchCore(made, tensors(made))
    core.reserve(8)
    slots = np.array([5, 1, 0, 7, 3, 2])
    steps = [core.step(slots, geometry[:, t].numpy(), features[:, t].numpy()) for t in range(50)]
    with torch.no_grad():
        torch.testing.assert_close(made.head(torch.from_numpy(np.stack(steps, axis=1))), whole, atol=1e-4, rtol=0)
    other = core.fresh()
    other.reserve(8)
    np.testing.assert_array_equal(other.step(slots, geometry[:, 0].numpy(), features[:, 0].numpy()), steps[0])


@pytest.mark.parametrize("kind", NETWORKS.values(), ids=NETWORKS)
def test_the_networks_compared_have_as_many_parameters(kind):
    ours = sum(p.numel() for p in MotionNetwork().parameters())
    assert sum(p.numel() for p in kind().parameters()) == pytest.approx(ours, rel=0.05)


@pytest.mark.parametrize("kind", NETWORKS.values(), ids=NETWORKS)
def test_no_network_sees_the_future(kind, inputs):
    geometry, features = inputs
    made = network(kind)
    changed = geometry.clone()
    changed[:, 30:] += 1
    with torch.no_grad():
        before, after = made(geometry, features)[0], made(changed, features)[0]
    torch.testing.assert_close(before[:, :30], after[:, :30])
    assert not torch.allclose(before[:, 30:], after[:, 30:])


def test_zero_output_is_the_filter_and_any_output_is_bounded():
    rng = np.random.default_rng(0)
    mean, std = rng.normal(0, 50, (100, 4)), rng.uniform(0.1, 20, (100, 4))
    unit, dt = np.full((100, 4), 80.0), rng.uniform(0, 30, (100, 1))
    same_mean, same_std = corrected(mean, std, unit, np.zeros((100, OUTPUTS)), dt)
    np.testing.assert_array_equal(same_mean, mean)
    np.testing.assert_array_equal(same_std, std)
    wild_mean, wild_std = corrected(mean, std, unit, rng.normal(0, 1e6, (100, OUTPUTS)), dt)
    assert (np.abs(wild_mean - mean) <= REACH * std * (1 + 1e-9)).all()
    assert (np.abs(np.log(wild_std / std)) <= STRETCH + 1e-9).all()


def test_an_untrained_network_predicts_as_the_filter_does(tmp_path):
    path = tmp_path / "new.safetensors"
    kalman = load_predictor("kalman")
    write_weights(path, tensors(MotionNetwork()) | kalman.parameters.to_tensors(), {"model": "lstm"})
    new = load_predictor(str(path))
    slots = np.arange(4)
    for frame in range(8):
        boxes = np.tile([10.0, 20, 50, 120], (4, 1)) + 5 * frame * np.arange(4)[:, None]
        seen = Observations(boxes.astype(np.float32), np.ones(4, np.float32), frame / 25)
        for model in (kalman, new):
            step(model, slots, seen, new=not frame)
    for time_s in (0.3, 2.0):
        ours, theirs = new.predict(slots, time_s), kalman.predict(slots, time_s)
        np.testing.assert_array_equal(ours.cxcywh, theirs.cxcywh)
        np.testing.assert_array_equal(ours.std, theirs.std)


def test_appearance_and_the_frame_reach_the_network():
    """Both may change what is predicted; a feature of NaN says what no features at all say."""
    boxes = np.array([[100.0, 100, 140, 200]], np.float32)
    nan, embedding = np.full((1, 512), np.nan, np.float32), np.eye(1, 512, dtype=np.float32)

    def predicted(features=None, frame_size=None):
        model, slot = load_predictor(), np.array([0])
        for frame in range(5):
            seen = Observations(boxes + frame, np.ones(1, np.float32), frame / 25, features, frame_size)
            step(model, slot, seen, new=not frame)
        return model.predict(slot, 1.0).cxcywh

    np.testing.assert_array_equal(predicted(), predicted(nan))
    assert not np.array_equal(predicted(), predicted(embedding))
    assert not np.array_equal(predicted(), predicted(frame_size=(150, 220)))


def test_the_embedded_weights_are_a_trained_lstm_of_under_3_5_megabytes():
    assert EMBEDDED.stat().st_size < 3.5e6
    weights = read_weights(EMBEDDED)
    assert weights.notes["model"] == "lstm" and weights.notes["command"]
    assert np.abs(weights.tensors["head.weight"]).max() > 0
    assert type(load_predictor()) is LearnedPredictor and type(load_predictor("kalman")) is KalmanPredictor


@pytest.mark.parametrize(
    "content",
    [b"", b"not safetensors at all", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "],
    ids=["empty", "text", "other"],
)
def test_a_file_that_is_no_motion_model_is_said_to_be_none(tmp_path, content):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"broken\.safetensors.*track train motion"):
        load_predictor(str(path))


def test_missing_and_incomplete_weights_name_the_command_that_makes_them(tmp_path):
    with pytest.raises(WeightsError, match="track train motion"):
        load_predictor(str(tmp_path / "none.safetensors"))
    path = tmp_path / "half.safetensors"
    whole = read_weights(EMBEDDED)
    write_weights(path, {k: v for k, v in whole.tensors.items() if "recurrent" not in k}, {"model": "lstm"})
    with pytest.raises(WeightsError, match="half"):
        load_predictor(str(path))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("head.bias", lambda value: value * np.nan, "no finite number"),
        ("recurrent.weight_hh_l1", lambda value: value + np.inf, "no finite number"),
        ("kalman.damping", lambda value: -value, "above 0"),
        ("kalman.damping", lambda value: value[:2], r"\(4,\)"),
        ("recurrent.weight_hh_l0", lambda value: value[:, :3], r"recurrent.weight_hh_l0 is \(512, 3\)"),
        ("geometry.weight", lambda value: value.T, "geometry.weight"),
        ("head.weight", lambda value: value[0], "head.weight"),
        ("head.bias", lambda value: value.astype(np.int64), "no finite number"),
    ],
)
def test_weights_of_another_shape_or_not_finite_are_refused_where_they_are_read(tmp_path, name, change, said):
    tensors = dict(read_weights(EMBEDDED).tensors)
    path = tmp_path / "odd.safetensors"
    write_weights(path, tensors | {name: change(tensors[name])}, {"model": "lstm"})
    for model in (str(path), path):
        with pytest.raises(WeightsError, match=rf"odd\.safetensors.*{said}.*track train motion"):
            load_predictor(model) if isinstance(model, str) else read_weights(model)


@pytest.mark.parametrize("notes", ["[1]", "7", '"text"', '{"model": 3}', "[" * 100_000, '{"model": "mamba"}'])
def test_notes_that_are_none_are_refused(tmp_path, notes):
    path = tmp_path / "odd.safetensors"
    save_file(dict(read_weights(EMBEDDED).tensors), path, {"motion": notes})
    with pytest.raises(WeightsError, match=r"odd\.safetensors.*track train motion"):
        load_predictor(str(path))


def test_a_link_in_the_place_of_weights_is_replaced_and_not_written_through(tmp_path):
    weights = read_weights(EMBEDDED)
    (tmp_path / "theirs.safetensors").write_bytes(b"theirs")
    (tmp_path / "ours.safetensors").symlink_to(tmp_path / "theirs.safetensors")
    write_weights(tmp_path / "ours.safetensors", weights.tensors, weights.notes)
    assert (tmp_path / "theirs.safetensors").read_bytes() == b"theirs"
    assert read_weights(tmp_path / "ours.safetensors").notes == weights.notes


def test_the_forecast_of_a_long_occluded_object_does_not_run_away():
    predictor = load_predictor()
    slots = np.array([0])
    for frame in range(30):
        xyxy = np.array([[100 + 4 * frame, 100, 140 + 4 * frame, 200]], np.float32)
        predictor.update(slots, Observations(xyxy, np.array([0.9], np.float32), frame / 25), np.array([frame == 0]))
    soon, late = (predictor.predict(slots, 29 / 25 + seconds) for seconds in (4.0, 400.0))
    assert np.linalg.norm(late.cxcywh[0, :2] - soon.cxcywh[0, :2]) < 200, "not two heights on"
    assert (late.std > soon.std).all()
