"""Features of a frame's boxes, and the weights they come from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tracker.appearance.embedder import Embedder, align
from tracker.appearance.omniscale import OmniScaleNet
from tracker.appearance.similarity import CHECKPOINT_SIZE, EMBEDDED, Calibration, load_notes, same_identity_probability
from tracker.appearance.weights import load_weights
from tracker.config import AppearanceConfig
from tracker.errors import InputError, WeightsError
from tracker.structures import Image

BOXES = np.array([[20, 10, 60, 110], [100, 30, 151.5, 140.2], [200, 50, 240, 160], [5, 60, 70, 170]], np.float32)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


@pytest.fixture(scope="module")
def frame() -> Image:
    """Blobs of colour: every box shows something else."""
    small = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.asarray(np.kron(small, np.ones((16, 16, 1), np.uint8)))


# What comes out


def test_features_are_512_numbers_of_unit_length(embedder: Embedder, frame: Image) -> None:
    features = embedder(frame, BOXES)
    assert features.shape == (4, 512) and features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert (features @ features.T)[~np.eye(4, dtype=bool)].max() < 0.99


@pytest.mark.parametrize("none", [np.zeros((0, 4)), np.zeros(0), []])
def test_no_boxes_give_no_features(embedder: Embedder, frame: Image, none: object) -> None:
    assert embedder(frame, none).shape == (0, 512)


def test_the_same_frame_and_boxes_give_the_same_bits(embedder: Embedder, frame: Image) -> None:
    np.testing.assert_array_equal(embedder(frame, BOXES), embedder(frame, BOXES))


@pytest.mark.parametrize("others", [0, 1, 12, 40])
def test_a_crop_does_not_depend_on_what_else_is_in_the_frame(embedder: Embedder, frame: Image, others: int) -> None:
    rng = np.random.default_rng(others)
    corner = rng.uniform(0, 100, (others, 2)).astype(np.float32)
    crowd = np.concatenate([np.concatenate([corner, corner + 60], axis=1), BOXES])
    np.testing.assert_allclose(embedder(frame, crowd)[others:], embedder(frame, BOXES), atol=1e-5)


# Boxes at and beyond the edge


def test_of_a_box_over_the_edge_the_visible_part_is_taken(embedder: Embedder, frame: Image) -> None:
    height, width = frame.shape[:2]
    over = np.array([[-30, 10, 60, 110], [200, 100, width + 50, height + 9]], np.float32)
    visible = np.array([[0, 10, 60, 110], [200, 100, width, height]], np.float32)
    np.testing.assert_allclose(embedder(frame, over), embedder(frame, visible), atol=1e-5)


@pytest.mark.parametrize(
    "box",
    [(-50, 10, -1, 90), (300, 10, 400, 90), (10, -90, 60, 0), (10, 192, 60, 300), (np.nan, 0, 10, 10), (9, 9, 9, 30)],
    ids=["left", "right", "above", "below", "not a number", "no width"],
)
def test_a_box_that_shows_nothing_has_no_feature(
    embedder: Embedder, frame: Image, box: tuple[float, float, float, float]
) -> None:
    features = embedder(frame, np.array([BOXES[0], box, BOXES[1]], np.float32))
    assert np.isnan(features[1]).all()
    np.testing.assert_allclose(features[[0, 2]], embedder(frame, BOXES[:2]), atol=1e-5)


def test_a_box_smaller_than_a_pixel_has_a_feature(embedder: Embedder, frame: Image) -> None:
    assert np.isfinite(embedder(frame, np.array([[30.2, 40.3, 30.4, 40.5]], np.float32))).all()


@pytest.mark.parametrize(
    ("shape", "dtype", "boxes"),
    [
        ((64, 64), np.uint8, BOXES),
        ((64, 64, 4), np.uint8, BOXES),
        ((64, 64, 3), np.float32, BOXES),
        ((64, 64, 3), np.uint8, BOXES[:, :3]),
        ((64, 64, 3), np.uint8, BOXES[0]),
    ],
    ids=["grey", "alpha", "float", "three columns", "one flat box"],
)
def test_other_arrays_are_refused_with_both_shapes(
    embedder: Embedder, shape: tuple[int, ...], dtype: type, boxes: np.ndarray
) -> None:
    with pytest.raises(InputError, match=r"shape .*expected"):
        embedder(np.zeros(shape, dtype), boxes)


# On another device


def test_crops_cut_on_the_device_are_those_cut_on_the_cpu(embedder: Embedder, frame: Image) -> None:
    corners = np.array([[20, 10, 60, 110], [100, 30, 152, 141]], np.int64)
    there = align(torch.from_numpy(frame), corners, embedder.crop_size).numpy()
    here = embedder._resized(frame, corners).astype(np.float32)
    assert np.abs(there - here)[:, 2:-2, 2:-2].max() <= 1.5  # OpenCV rounds, and repeats the edge


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_same_features(embedder: Embedder, frame: Image) -> None:
    assert (Embedder(device="cuda")(frame, BOXES) * embedder(frame, BOXES)).sum(axis=1).min() > 0.99


# Weights


def test_weights_come_back_as_they_were_written(tmp_path: Path) -> None:
    weights = replace(load_weights(), crop_size=(96, 48), calibration=Calibration(0.5, -0.1, 12, 1))
    weights.write(tmp_path / "w.safetensors", source="a test")
    again = load_weights(tmp_path / "w.safetensors")
    assert (again.crop_size, again.calibration) == (weights.crop_size, weights.calibration)
    assert all(torch.equal(again.state[name], value) for name, value in weights.state.items())
    assert load_notes(tmp_path / "w.safetensors").calibration == weights.calibration


def test_a_pytorch_checkpoint_with_a_classifier_loads(tmp_path: Path, frame: Image) -> None:
    state = {f"module.{name}": value for name, value in load_weights().state.items()}
    torch.save({"state_dict": state | {"module.classifier.weight": torch.zeros(751, 512)}}, tmp_path / "model.pth")
    embedder = Embedder(AppearanceConfig(model=str(tmp_path / "model.pth")))
    assert embedder.crop_size == CHECKPOINT_SIZE
    assert embedder(frame, BOXES).shape == (4, 512)


class Intruder:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("intruded"),)


def _missing(path: Path) -> None: ...


def _text(path: Path) -> None:
    path.write_text("not weights")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _truncated(path: Path) -> None:
    path.write_bytes(EMBEDDED.read_bytes()[:100_000])


def _another_network(path: Path) -> None:
    torch.save(torch.nn.Linear(3, 4).state_dict(), path)


def _a_list(path: Path) -> None:
    torch.save([1, 2], path)


def _not_finite(path: Path) -> None:
    torch.save({name: value * torch.nan for name, value in OmniScaleNet().state_dict().items()}, path)


def _code(path: Path) -> None:
    torch.save(Intruder(), path)


@pytest.mark.parametrize(
    ("make", "suffix"),
    [
        (_missing, ".safetensors"),
        (_text, ".safetensors"),
        (_text, ".pt"),
        (_empty, ".pt"),
        (_truncated, ".safetensors"),
        (_another_network, ".pt"),
        (_a_list, ".pt"),
        (_not_finite, ".pt"),
        (_code, ".pt"),
    ],
)
def test_unusable_weights_are_one_sentence_with_the_command_that_makes_some(
    make: object, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"weights{suffix}"
    make(path)  # type: ignore[operator]
    with pytest.raises(WeightsError) as caught:
        Embedder(AppearanceConfig(model=str(path)))
    assert str(path) in str(caught.value) and "track train appearance" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path("intruded").exists()


# What a similarity means


def test_the_embedded_network_knows_its_own_calibration(embedder: Embedder) -> None:
    same, other = same_identity_probability([0.95, 0.5], 1.0, embedder.calibration)
    assert same > 0.9 and other < 0.1
    assert embedder.calibration != Calibration()
