"""Where tracks are on the ground and how fast they go: laws that hold for any camera, and what is refused."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.ways import SIZE, seen
from tracker import GroundMotion, GroundPlane
from tracker.analytics.ground.lens import Lens
from tracker.analytics.ground.standing import StandingCamera
from tracker.errors import ConfigError, InputError, SourceError

PIXELS = np.array([[100, 500], [540, 500], [200, 250], [440, 250], [320, 400]], float)


def view(metres, tilt=0.6, height=5.0, focal=500.0, centre=(320.0, 240.0)):
    """Pixels of ground points (N, 2): x to the right, y away from a camera that looks down by `tilt`."""
    x, y = np.asarray(metres, float).T
    depth = y * math.cos(tilt) + height * math.sin(tilt)
    down = height * math.cos(tilt) - y * math.sin(tilt)
    return np.stack([x, down], axis=1) / depth[:, None] * focal + centre


GRID = np.array([[x, y] for x in (-4.0, 0.0, 4.0) for y in (4.0, 8.0, 12.0)])
GROUND = GroundPlane.from_points(view(GRID), GRID, frame_size=(640, 480))


def going(ground, way, times, view=view):
    """What the filter says of a track that is at `way(t)` metres at each time, in the end."""
    motion = GroundMotion(ground)
    for t in times:
        said = motion.update(seen(float(t), {1: tuple(view([way(t)])[0])}))
    return said


class TestFromPoints:
    @given(st.floats(0.2, 1.3), st.floats(2, 30), st.floats(200, 3000))
    def test_returns_exact_points(self, tilt, height, focal):
        grid = GRID * [1, 0.5] * height / 5 + [0, 1]
        ground = GroundPlane.from_points(view(grid, tilt, height, focal), grid)
        assert ground.error_m.max() < 1e-6
        assert np.allclose(ground.to_metres(view(grid, tilt, height, focal)), grid, atol=1e-6)

    @given(st.floats(0.01, 100), st.floats(-math.pi, math.pi), st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
    def test_metres_scaled_turned_and_moved_do_the_same_to_positions(self, scale, angle, right, up):
        turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        rough = GRID + np.random.default_rng(3).normal(0, 0.1, GRID.shape)  # more points than fit exactly
        one = GroundPlane.from_points(view(GRID), rough)
        other = GroundPlane.from_points(view(GRID), rough @ turn.T + [right, up])
        feet = {n: tuple(point) for n, point in enumerate(view(GRID + 0.3).tolist(), 1)}
        (place, std), (moved, moved_std) = (ground.positions(seen(0.0, feet)) for ground in (one, other))
        assert np.allclose(moved, place @ turn.T + [right, up], rtol=1e-6, atol=1e-6 * scale)
        assert np.allclose(np.linalg.norm(moved_std, axis=1), scale * np.linalg.norm(std, axis=1), rtol=1e-6)

    def test_spreads_errors_over_more_points_than_it_needs(self):
        off = GRID.copy()
        off[4] += 0.5
        errors = GroundPlane.from_points(view(GRID), off).error_m
        assert errors.argmax() == 4
        assert 0.1 < errors[4] < math.hypot(0.5, 0.5)

    @pytest.mark.parametrize(
        ("pixels", "metres", "says"),
        [
            pytest.param([[0, 0], [9, 0], [0, 9]], [[0, 0], [1, 0], [0, 1]], "at least 4", id="three"),
            pytest.param([[n, 2 * n] for n in range(5)], [[n, 3 * n] for n in range(5)], "one line", id="a line"),
            pytest.param(
                [[0, 0], [100, 0], [200, 0], [50, 90]], [[0, 0], [1, 0], [2, 0], [0, 3]], "one line", id="3 of 4 on one"
            ),
            pytest.param([[5, 5]] * 4, [[0, 0], [1, 0], [0, 1], [1, 1]], "same pixels", id="one pixel"),
            pytest.param(
                [[0, 0], [100, 0], [100, 100], [0, 100]], [[0, 0], [1, 1], [1, 0], [0, 1]], "one plane", id="swapped"
            ),
            pytest.param(
                [*PIXELS.tolist(), [300, 300]],
                [[0, 0], [4, 0], [0, 9], [4, 9], [2, 3], [30, -20]],
                "point 6",
                id="a point elsewhere",
            ),
            pytest.param([[0, 0]] * 4, [[0, 0]] * 5, "4 pixels and 5", id="not as many"),
            pytest.param([[0, math.nan]] * 4, [[0, 0]] * 4, "finite", id="not a number"),
        ],
    )
    def test_refuses_in_one_sentence(self, pixels, metres, says):
        with pytest.raises(InputError, match=says) as refused:
            GroundPlane.from_points(pixels, metres)
        assert "\n" not in str(refused.value)


class TestTheFile:
    def test_gives_back_what_was_saved(self, tmp_path):
        lens = Lens.of([500, 510], [320, 240], [-0.2, 0.05, 0.001, 0.0, 0.0])
        ground = GroundPlane.from_points(view(GRID), GRID, lens=lens, frame_size=(640, 480), foot_std=0.05)
        ground.save(tmp_path / "camera.yaml")
        again = GroundPlane.load(tmp_path / "camera.yaml")
        assert again.to_dict() == ground.to_dict()
        assert (again.homography == ground.homography).all()

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            pytest.param("", "no points", id="empty"),
            pytest.param("points: 3", "no points", id="a number"),
            pytest.param("lines: {}\nzones: {}", "this is a zones.yaml .* give it as the zones", id="a zones.yaml"),
            pytest.param("points: [{px: [1, 2]}]", "px and m", id="half a point"),
            pytest.param("points: [{px: [1], m: [1]}]", "pixels", id="one number"),
            pytest.param("points: []\nzoom: 2", "'zoom'", id="an unknown key"),
            pytest.param("points: []\nlens: 2", "focal_px", id="a lens that is none"),
            pytest.param("points: []\nframe_size: 2", "WIDTH", id="a size that is none"),
            pytest.param("points: []\nfoot_std: x", "foot_std", id="a share that is none"),
        ],
    )
    def test_is_refused_by_name_where_it_says_something_else(self, tmp_path, text, says):
        path = tmp_path / "camera.yaml"
        path.write_text(text)
        with pytest.raises(ConfigError, match=says) as refused:
            GroundPlane.load(path)
        assert str(path) in str(refused.value)

    def test_holds_for_the_same_picture_larger_and_for_no_other(self):
        larger = GROUND.fitted((1280, 960))
        assert np.allclose(larger.to_metres(2 * view(GRID)), GRID)
        with pytest.raises(ConfigError, match="calibrate it on this video"):
            GROUND.fitted((1280, 720))


class TestPositions:
    def test_their_uncertainty_is_that_of_the_foot_carried_to_the_ground(self):
        place, std = GROUND.positions(seen(0.0, {1: tuple(view([[1, 9]])[0])}))
        pixels = view([[1, 9]]) + np.random.default_rng(0).normal(0, GROUND.foot_std * 40, (4000, 2))
        assert np.allclose(place, [[1, 9]])
        assert np.allclose(std, GROUND.to_metres(pixels).std(axis=0), rtol=0.05)

    @given(st.floats(1.1, 5))
    def test_their_uncertainty_grows_with_the_foots(self, times):
        tracks = seen(0.0, {1: tuple(view([[1, 9]])[0])})
        wider = GroundPlane.from_points(view(GRID), GRID, foot_std=GROUND.foot_std * times)
        assert np.allclose(wider.positions(tracks)[1], times * GROUND.positions(tracks)[1])

    def test_a_predicted_row_is_less_certain(self):
        foot = {1: tuple(view([[1, 9]])[0])}
        assert (GROUND.positions(seen(0.0, foot, predicted=(1,)))[1] > GROUND.positions(seen(0.0, foot))[1]).all()

    @pytest.mark.parametrize(
        "feet",
        [
            pytest.param({1: (5.0, 300.0)}, id="cut off on the left"),
            pytest.param({1: (635.0, 300.0)}, id="cut off on the right"),
            pytest.param({1: (320.0, 480.0)}, id="cut off below"),
            pytest.param({1: (320.0, 300.0), 2: (322.0, 310.0)}, id="covered by one that is nearer"),
            pytest.param({1: tuple(view([[0, 40]])[0])}, id="beyond the calibrated ground"),
            pytest.param({1: (320.0, -200.0)}, id="above the horizon"),
        ],
    )
    def test_are_not_known_where_feet_are_hidden(self, feet):
        place, std = GROUND.positions(seen(0.0, feet))
        assert np.isnan(place[0]).all()
        assert np.isnan(std[0]).all()

    def test_of_two_side_by_side_both_are_known(self):
        place, _ = GROUND.positions(seen(0.0, {1: (320.0, 300.0), 2: (325.0, 301.0)}))
        assert np.isfinite(place).all()

    def test_a_bent_picture_is_straightened(self):
        import cv2

        lens = Lens.of(500, [320, 240], [-0.25, 0.08, 0.001, -0.002, 0.01])
        straight = (view(GRID) - lens.centre_px) / lens.focal_px
        camera = np.array([[500, 0, 320], [0, 500, 240], [0, 0, 1.0]])
        spatial = np.concatenate([straight, np.ones((9, 1))], axis=1)
        bent = cv2.projectPoints(spatial, np.zeros(3), np.zeros(3), camera, lens.distortion)[0][:, 0]
        ground = GroundPlane.from_points(bent, GRID, lens=lens)
        assert ground.error_m.max() < 1e-4
        assert GroundPlane.from_points(bent, GRID).error_m.max() > 0.1


class TestSpeed:
    @settings(deadline=None, max_examples=20)
    @given(st.floats(0, 12), st.floats(-math.pi, math.pi), st.sampled_from([5, 10, 25, 60]), st.integers(0, 9))
    def test_is_the_same_at_any_frame_rate_and_with_frames_left_out(self, speed, heading, fps, seed):
        ground = GroundPlane.from_points(
            [[0, 0], [9000, 0], [0, 9000], [9000, 9000]], [[0, 0], [90, 0], [0, 90], [90, 90]]
        )
        times = np.arange(0, 4.001, 1 / fps)
        times = times[(np.random.default_rng(seed).random(len(times)) < 0.7) | (times < 0.3) | (times > 3.9)]
        velocity = speed * np.array([math.cos(heading), math.sin(heading)])
        said = going(ground, lambda t: 45 + velocity * (t - 2), times, lambda metres: np.asarray(metres) * 100)
        assert abs(said.speed_m_s[0] - speed) < 0.02 * speed + 0.05

    def test_is_not_known_at_once(self):
        assert np.isnan(going(GROUND, lambda t: (0, 8 + t), [0, 0.1, 0.2]).speed_m_s[0])
        assert np.isfinite(going(GROUND, lambda t: (0, 8 + t), [0, 0.1, 0.5]).speed_m_s[0])

    def test_goes_on_under_a_corrected_id(self):
        motion = GroundMotion(GROUND)
        for n in range(20):
            motion.update(seen(n / 10, {7: tuple(view([[0, 8 + n / 10]])[0])}))
        said = motion.update(seen(2.0, {3: tuple(view([[0, 10.0]])[0])}, renamed={7: 3}))
        assert said.ids.tolist() == [3]
        assert abs(said.speed_m_s[0] - 1) < 0.05

    def test_is_not_told_of_a_row_whose_foot_is_hidden_and_survives_it(self):
        motion = GroundMotion(GROUND)
        for n in range(30):
            foot = view([[0, 8 + n / 20]])[0]
            hidden = 18 <= n < 24
            feet = {1: tuple(foot)} | ({2: (foot[0], foot[1] + 10)} if hidden else {})
            said = motion.update(seen(n / 20, feet))
            assert np.isnan(said.position_m[0, 0]) == hidden
        assert abs(said.speed_m_s[0] - 1) < 0.05

    def test_many_tracks_are_each_as_alone(self):
        rng = np.random.default_rng(5)
        ways = {i: (rng.uniform(-3, 3), rng.uniform(5, 9), rng.uniform(-1, 1), rng.uniform(-1, 1)) for i in range(1, 9)}

        def at(i, t):
            x, y, right, away = ways[i]
            return tuple(view([[x + right * t, y + away * t]])[0] + rng_of[i, round(t * 10)])

        rng_of = {(i, n): rng.normal(0, 1, 2) for i in ways for n in range(30)}
        small = GroundPlane.from_points(view(GRID), GRID)
        whole, alone = GroundMotion(small), {i: GroundMotion(small) for i in ways}
        for n in range(30):
            there = [i for i in ways if (n + i) % 5]
            together = whole.update(seen(n / 10, {i: at(i, n / 10) for i in there}, tentative=tuple(ways)))
            for row, i in enumerate(there):
                if np.isfinite(together.position_m[row, 0]):
                    own = alone[i].update(seen(n / 10, {i: at(i, n / 10)}))
                    assert np.allclose(together.position_m[row], own.position_m[0])
                    assert np.allclose(together.speed_m_s[row], own.speed_m_s[0], equal_nan=True)

    def test_of_who_walks_slowly_is_exact_though_errors_last_and_soon_that_of_who_turns(self):
        rng, per_m = np.random.default_rng(0), 16
        corners = np.array([[0, 0], [100, 0], [0, 100], [100, 100]])
        motion = GroundMotion(GroundPlane.from_points(per_m * corners, corners))
        std, stays = 0.02 * np.multiply(SIZE, [2, 1]), math.exp(-0.1 / 0.3)  # 5 cm; a detector's, from frame to frame
        lanes, off = 5 + 3.0 * np.arange(28), rng.normal(0, std, (28, 2))
        wrong = {}
        for n in range(120):  # they turn around after 8 seconds
            off = stays * off + math.sqrt(1 - stays**2) * rng.normal(0, std, off.shape)
            places = np.stack([lanes, np.full(28, 45 + 0.06 * min(n, 160 - n))], axis=1)
            said = motion.update(seen(n / 10, dict(enumerate((per_m * places + off).tolist(), 1))))
            wrong[n] = np.abs(said.speed_m_s / 0.6 - 1)
            if 20 <= n < 80:
                assert (np.abs(said.speed_m_s - 0.6) <= 1.645 * said.speed_std_m_s).mean() > 0.85
        assert np.median([wrong[n] for n in range(20, 80)]) < 0.04
        assert np.median([wrong[n] for n in range(90, 120)]) < 0.1

    def test_lasts_in_a_bend(self):
        rng, per_m = np.random.default_rng(0), 16
        corners = np.array([[0, 0], [100, 0], [0, 100], [100, 100]])
        motion = GroundMotion(GroundPlane.from_points(per_m * corners, corners))
        std, stays = 0.02 * np.multiply(SIZE, [2, 1]), math.exp(-0.1 / 0.3)
        lanes, off = 5 + 3.0 * np.arange(28), rng.normal(0, std, (28, 2))
        wrong = []
        for n in range(100):  # 1.2 m/s on circles of 12 m
            off = stays * off + math.sqrt(1 - stays**2) * rng.normal(0, std, off.shape)
            way = 12 * np.array([math.sin(n / 100), math.cos(n / 100)])
            places = np.stack([lanes, np.full(28, 45.0)], axis=1) + way
            said = motion.update(seen(n / 10, dict(enumerate((per_m * places + off).tolist(), 1))))
            wrong.append(np.abs(said.speed_m_s / 1.2 - 1))
        assert np.median(wrong[30:]) < 0.019  # 0.022 where direction is believed to last as speed does

    def test_refuses_time_that_goes_back(self):
        motion = GroundMotion(GROUND)
        motion.update(seen(1.0, {}))
        with pytest.raises(InputError, match="in order"):
            motion.update(seen(0.5, {}))


class TestACameraThatHasMoved:
    def test_is_refused_by_name_however_slowly_it_went(self):
        camera = StandingCamera("yard", (640, 480))  # 2 % of its diagonal are 16 pixels
        for frame in range(1, 16):
            camera.follow(np.array([[1, 0, 1.0], [0, 1, 0]]), frame)
        with pytest.raises(SourceError, match=r"yard has moved: at frame 17 .* 17 pixels"):
            for frame in (16, 17):
                camera.follow(np.array([[1, 0, 1.0], [0, 1, 0]]), frame)

    def test_is_one_that_does_not_come_back(self):
        camera = StandingCamera("yard", (640, 480))
        for frame in range(100):
            camera.follow(np.array([[1, 0, 9.0 * (-1) ** frame], [0, 1, 0]]), frame)


def test_the_ground_needs_no_library_that_a_run_has_not_loaded_anyway():
    code = """
import sys
from tracker import GroundPlane
ground = GroundPlane.from_points([[0, 0], [9, 0], [0, 9], [9, 9]], [[0, 0], [1, 0], [0, 1], [1, 1]])
print(ground.to_metres([[4.5, 4.5], [90, 90]]).round(6).tolist(), "scipy.spatial" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[[0.5,", "0.5],", "[nan,", "nan]]", "False"], "an import of a quarter of a second"
