"""The pieces of the memory and cost studies in scripts/."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import long_memory  # noqa: E402
import motion_cost  # noqa: E402
from tracker.evaluation.forecasts import ObservedSequence  # noqa: E402  # noqa: E402
from tracker.motion.load import load_predictor  # noqa: E402  # noqa: E402
from tracker.motion.networks.registry import NETWORKS  # noqa: E402  # noqa: E402
from tracker.motion.networks.transformer import TransformerNetwork  # noqa: E402  # noqa: E402
from tracker.motion.weights import EMBEDDED  # noqa: E402


def test_a_recall_batch_shows_the_symbol_first_and_asks_last():
    inputs, symbol = long_memory.recall_batch(np.random.default_rng(0), 64, 30)
    assert inputs.shape == (64, 31, 47) and symbol.shape == (64,)
    assert (inputs[:, 0, : long_memory.SYMBOLS].argmax(1) == symbol).all()
    asked = inputs[..., long_memory.ASKED] > 0.5
    assert asked[:, -1].all() and not asked[:, :-1].any()
    assert inputs[:, 1:-1].abs().max() < 0.8, "in between there is nothing but noise"


@pytest.mark.parametrize("name", long_memory.GATED)
def test_chrono_gates_keep_what_they_hold_for_up_to_the_longest_time(name):
    network = NETWORKS[name]()
    long_memory.chrono(network, 1000)
    size = network.recurrent.hidden_size
    for layer in (0, 1):
        kept = torch.sigmoid(getattr(network.recurrent, f"bias_ih_l{layer}")[size : 2 * size])
        steps = 1 / (1 - kept)
        assert 200 < steps.median() < 800 and steps.max() < 1001


def test_what_is_asked_a_step_later_is_learned_and_hangs_on_the_symbol(monkeypatch):
    monkeypatch.setattr(long_memory, "DISTANCES", (2, 4))
    model, _ = long_memory.train_recall("gru", "default", steps=60, batch=32, seed=0)
    result = long_memory.measured(model, 3, 64, seed=0)
    assert result["accuracy"] > 0.5 > 2 / long_memory.SYMBOLS
    assert result["gradient"] > 0


def test_a_sequence_is_played_backwards_and_forwards_until_it_is_long_enough():
    truth = np.arange(5.0)[:, None, None].repeat(4, 2)
    seen = ObservedSequence("S", truth, truth.astype(np.float32), np.ones((5, 1), np.float32), 0.04, None)
    assert long_memory.played_on(seen, 4) is seen
    longer = long_memory.played_on(seen, 11)
    assert longer.truth[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2]
    np.testing.assert_array_equal(longer.observed, longer.truth.astype(np.float32))
    assert len(longer.scores) == 11


def test_objects_are_told_apart_by_states_that_hold_them_and_by_no_others():
    rng = np.random.default_rng(0)
    objects = np.arange(400) % long_memory.AMONG
    embeddings = rng.normal(size=(long_memory.AMONG, 64))[objects]
    assert long_memory.told_apart(embeddings + 0.3 * rng.normal(size=embeddings.shape), objects) > 0.95
    assert long_memory.told_apart(rng.normal(size=embeddings.shape), objects) < 0.15


def test_the_state_of_a_network_is_asked_at_every_distance(monkeypatch):
    monkeypatch.setattr(long_memory, "DISTANCES", (3, 300))
    apart = long_memory.identity_in_state(EMBEDDED, seed=0, tracks=80)
    assert list(apart) == [0, 3, 300] and all(0 <= share <= 1 for share in apart.values())


def test_a_whole_transformer_remembers_more_than_one_of_32_steps():
    torch.manual_seed(0)
    short = TransformerNetwork().eval()
    whole = TransformerNetwork(window=101).eval()
    whole.load_state_dict(short.state_dict())
    geometry = torch.randn(1, 100, 47)
    changed = geometry.clone()
    changed[:, 0] += 1
    with torch.no_grad():
        same, other = (
            torch.equal(*(net.hidden(g, None, net.start_state(1))[0][:, 70] for g in (geometry, changed)))
            for net in (short, whole)
        )
    assert same and not other


def test_costs_are_measured_for_filter_and_network():
    for predictor in (load_predictor("kalman"), motion_cost.in_torch(NETWORKS["rnn"]())):
        assert 0 < motion_cost.cost(predictor, 3, history=5, seconds=0) < 1e4
