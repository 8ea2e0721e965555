"""The table of the study of seeds in scripts/."""

import numpy as np

import motion_seeds


def metrics(**by_file):
    return {f"runs/{name.replace('_', '-')}/motion.safetensors": {"1": {"iou": iou}} for name, iou in by_file.items()}


def test_weights_of_one_network_are_put_together_whatever_their_seed():
    found = motion_seeds.by_network(metrics(lstm_0=0.8, gru_0=0.7, lstm_1=0.9))
    assert list(found) == ["lstm", "gru"]
    np.testing.assert_array_equal(found["lstm"], [[0.8], [0.9]])


def test_a_row_gives_the_mean_and_the_spread_of_a_sample_in_thousandths():
    sets = {"A": motion_seeds.by_network(metrics(lstm_0=0.8, lstm_1=0.81, lstm_2=0.82))}
    assert motion_seeds.table(sets, {"A": ["1"]}).splitlines()[-1] == "| A | lstm | 0.810 ± 10 |"


def test_a_set_without_a_horizon_leaves_its_column_empty():
    both = motion_seeds.by_network(metrics(lstm_0=0.8, lstm_1=0.8))
    lines = motion_seeds.table({"A": {"lstm": np.full((2, 2), 0.5)}, "B": both}, {"A": ["1", "5"], "B": ["1"]})
    assert lines.splitlines()[0] == "| | | 1 | 5 |"
    assert lines.splitlines()[-1] == "| B | lstm | 0.800 ± 0 |  |"
