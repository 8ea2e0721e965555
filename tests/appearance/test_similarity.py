"""What a similarity of two embeddings means, and that no network has to be loaded to know it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from tracker.appearance.similarity import EMBEDDED, load_notes, same_identity_probability
from tracker.appearance.weights import load_weights
from tracker.errors import WeightsError


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1e6))
def test_more_similar_is_more_probable(a: float, b: float, seconds: float) -> None:
    low, high = same_identity_probability(sorted((a, b)), seconds)
    assert 0 <= low <= high <= 1


def test_the_same_similarity_says_more_after_longer() -> None:
    probabilities = same_identity_probability(0.7, [0.1, 1, 5, 20])
    assert (np.diff(probabilities) > 0).all()


def test_a_missing_feature_is_no_evidence() -> None:
    np.testing.assert_array_equal(same_identity_probability([np.nan, np.nan], [0.0, 30.0]), [0.5, 0.5])


def test_shapes_broadcast() -> None:
    assert same_identity_probability(np.zeros((5, 3)), np.ones((5, 1))).shape == (5, 3)


def test_what_similarities_mean_is_known_without_loading_the_network(tmp_path: Path) -> None:
    assert load_notes().calibration == load_weights().calibration
    with pytest.raises(WeightsError, match="no appearance weights"):
        load_notes(tmp_path / "missing.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(EMBEDDED.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        load_notes(tmp_path / "damaged.safetensors")


@pytest.mark.parametrize(
    "calibration",
    ["[1, 2]", "3", "{", '{"threshold": NaN}', '{"slope": Infinity}', '{"slope": "steep"}', '{"slope": [1, 2]}']
    + ['{"bend": 1}', '{"different_deviation": 0}', '{"threshold": null}'],
)
def test_a_calibration_of_another_shape_is_one_sentence(tmp_path: Path, calibration: str) -> None:
    path = tmp_path / "odd.safetensors"
    save_file(dict(load_weights().state), path, {"calibration": calibration, "crop_size": "[128, 64]"})
    for load in (load_notes, load_weights):
        with pytest.raises(WeightsError, match=r"odd\.safetensors cannot be read as weights; give"):
            load(path)


@pytest.mark.parametrize("size", ["[128]", "[8, 8]", "[16, 1000000000]", "7", '{"h": 1}', "[NaN, 64]"])
def test_crops_of_no_size_a_network_is_made_for_are_refused(tmp_path: Path, size: str) -> None:
    save_file(dict(load_weights().state), tmp_path / "odd.safetensors", {"crop_size": size})
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        load_weights(tmp_path / "odd.safetensors")


def test_features_of_ones_own_need_no_pytorch() -> None:
    code = (
        "import sys, numpy as np; from tracker import Detections, Tracker; "
        "Tracker().update(None, Detections([[0, 0, 10, 20]], features=np.ones((1, 512)))); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
