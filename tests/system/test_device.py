"""Where the networks run: names people type, names PyTorch knows."""

import pytest
import torch

from tracker.errors import UsageError
from tracker.system.device import resolve_device

DEVICES = torch.cuda.device_count() if torch.cuda.is_available() else 0


@pytest.mark.parametrize("name", ["cpu", "CPU", " cpu "])
def test_the_cpu_is_always_there(name):
    assert resolve_device(name) == "cpu"


def test_auto_prefers_the_first_cuda_device():
    assert resolve_device("auto") == ("cuda:0" if DEVICES else "cpu")


@pytest.mark.cuda
@pytest.mark.skipif(not DEVICES, reason="no CUDA device")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "0"])
def test_all_names_of_the_first_cuda_device(name):
    assert resolve_device(name) == "cuda:0"


@pytest.mark.parametrize("name", [f"cuda:{DEVICES}", str(DEVICES), "gpu", "", "cuda:", "cuda:-1", "cpu:0"])
def test_a_device_that_is_not_there_names_those_that_are(name):
    with pytest.raises(UsageError, match=r"not available here; choose one of: auto, cpu") as error:
        resolve_device(name)
    assert repr(name) in str(error.value)
