"""The study of what a GPU gives, as far as it goes on a CPU; its parts in this process, which has all imported."""

import pytest
import torch

import cuda_check
from helpers.clips import pan


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuda_check")
    return cuda_check.Setup(pan(folder / "pan.mp4", frames=6), 3, "cpu", True, folder)


def test_every_precision_and_batch_is_compared_and_a_cpu_agrees_with_itself(setup):
    cases = list(cuda_check.parity(setup))
    about = [tuple(about.values()) for about, _ in cases]
    assert about == [(precision, batch) for batch in (8, 1) for precision in ("fp32", "tf32", "fp16")]
    found = cases[0][1]()
    assert found["same"] is True
    assert found["detections"] == found["in_both"] == found["detections_cpu"]


@pytest.mark.slow
def test_a_run_is_timed_stage_by_stage(setup):
    about, measure = next(cuda_check.speed(setup))
    assert about == {"precision": "tf32", "batch": 8}
    found = measure()
    stages = ("decode", "detect", "appearance", "motion+association", "write")
    assert all(found[name] >= 0 for name in stages) and found["frames/s"] > 0 and found["detector alone"] > 0


def test_decoding_is_timed_and_no_decoder_in_hardware_is_an_error(setup):
    (_, software), (_, hardware) = cuda_check.decoding(setup)
    assert software()["frames/s"] > 0
    if not torch.cuda.is_available():
        with pytest.raises(Exception, match=r".+"):
            hardware()
