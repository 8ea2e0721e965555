"""Exported networks in use."""

import os

import numpy as np
import pytest

from tracker.system.engine import STREAMS, OpenVinoNetwork

openvino = pytest.importorskip("openvino")


@pytest.fixture
def file(tmp_path):
    """A network that adds one."""
    import openvino.opset13 as ops

    numbers = ops.parameter([-1, 2], np.float32)
    model = openvino.Model([ops.add(numbers, ops.constant(np.float32(1)))], [numbers])
    openvino.save_model(model, tmp_path / "network.xml")
    return tmp_path / "network.xml"


@pytest.mark.parametrize("at_once", [True, False])
def test_a_network_that_threads_take_turns_at_is_laid_out_once_with_the_same_share_of_the_cores(file, at_once):
    network = OpenVinoNetwork(file, any_shape=False, at_once=at_once)
    (found,) = network(np.zeros((3, 2), np.float32))
    assert found.tolist() == [[1, 1]] * 3
    (laid_out,) = network._compiled.values()
    streams = min(STREAMS, os.cpu_count())
    assert laid_out.get_property("NUM_STREAMS") == (streams if at_once else 1)
    if not at_once:
        assert laid_out.get_property("INFERENCE_NUM_THREADS") == max(1, os.cpu_count() // streams)
