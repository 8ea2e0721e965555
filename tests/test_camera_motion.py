"""The camera's motion from images."""

import cv2
import numpy as np
import pytest

from tracker.affine import is_identity
from tracker.camera_motion import CameraMotion
from tracker.config import CameraConfig

NOTHING = np.zeros((0, 4), np.float32)


@pytest.fixture(scope="module")
def picture():
    """Smoothed noise: corners everywhere (generated, because the true motion must be known exactly)."""
    noise = np.random.default_rng(0).integers(0, 255, (600, 800, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 4)


def view(picture, affine):
    return cv2.warpAffine(picture, np.asarray(affine, float), (640, 480))


def test_a_pan_and_zoom_is_found(picture):
    true = np.array([[1.01, 0.004, -12.0], [-0.004, 1.01, 7.0]])
    camera = CameraMotion(CameraConfig())
    assert is_identity(camera.estimate(view(picture, np.eye(2, 3)), 0.0, NOTHING))
    found = camera.estimate(view(picture, true), 0.04, NOTHING)
    corners = np.array([[50, 50, 1], [600, 50, 1], [320, 240, 1], [50, 430, 1]])
    np.testing.assert_allclose(corners @ found.T, corners @ true.T, atol=1.0)


def test_objects_do_not_count_as_the_camera(picture):
    still = view(picture, np.eye(2, 3))
    moved = still.copy()
    moved[100:400, 50:600] = view(picture, [[1, 0, 15], [0, 1, 0]])[100:400, 50:600]
    camera = CameraMotion(CameraConfig())
    objects = np.array([[40, 90, 620, 410]], np.float32)
    camera.estimate(still, 0.0, objects)
    assert is_identity(camera.estimate(moved, 0.04, objects))


def test_a_still_camera_is_hardly_looked_at_and_noticed_when_it_starts(picture):
    camera = CameraMotion(CameraConfig())
    still, moved = view(picture, np.eye(2, 3)), view(picture, [[1, 0, 10], [0, 1, 0]])
    for i in range(60):
        assert is_identity(camera.estimate(still, i / 25, NOTHING))
    steps = [camera.estimate(moved, (60 + i) / 25, NOTHING) for i in range(10)]
    assert sum(not is_identity(a) for a in steps) == 1
    np.testing.assert_allclose(sum(a[0, 2] for a in steps), 10, atol=0.5)


@pytest.mark.parametrize("size", [(320, 240), (1280, 960), (320, 480)])
def test_motion_into_a_picture_of_another_size_is_in_its_pixels(picture, size):
    true = np.array([[1, 0, -12.0], [0, 1, 7.0]])
    camera = CameraMotion(CameraConfig())
    camera.estimate(view(picture, np.eye(2, 3)), 0.0, NOTHING)
    found = camera.estimate(cv2.resize(view(picture, true), size), 0.04, NOTHING)
    scale = np.array([size[0] / 640, size[1] / 480])
    np.testing.assert_allclose(found[:, 2], true[:, 2] * scale, atol=1.5)
    np.testing.assert_allclose(found[:, :2], np.diag(scale), atol=0.01)
    assert is_identity(camera.estimate(cv2.resize(view(picture, true), size), 0.08, NOTHING))


def test_a_featureless_picture_gives_the_identity(picture):
    camera = CameraMotion(CameraConfig())
    grey = np.full((480, 640, 3), 127, np.uint8)
    assert is_identity(camera.estimate(grey, 0.0, NOTHING))
    assert is_identity(camera.estimate(grey, 0.04, NOTHING))


def test_it_can_be_switched_off(picture):
    camera = CameraMotion(CameraConfig(method="none"))
    camera.estimate(view(picture, np.eye(2, 3)), 0.0, NOTHING)
    assert is_identity(camera.estimate(view(picture, [[1, 0, 10], [0, 1, 0]]), 0.04, NOTHING))
