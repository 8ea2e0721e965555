"""What an ONNX file says of itself decides how its rows are read; tiny files in which every number is given."""

import numpy as np
import pytest

from tracker.detection.foreign_export import ForeignExport
from tracker.errors import WeightsError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

FOUND = np.array([[8, 4, 40, 60, 0.9, 1], [50, 4, 60, 30, 0.6, 0], [0, 0, 0, 0, 0, 0]], np.float32)


def network(path, table, batch=1, **about):
    """A network that answers every picture of 64 x 64 pixels with the same table."""
    images = onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [batch, 3, 64, 64])
    output = onnx.helper.make_tensor_value_info("output0", onnx.TensorProto.FLOAT, [batch, *table.shape])
    value = onnx.numpy_helper.from_array(np.repeat(table[None], batch, axis=0))
    node = onnx.helper.make_node("Constant", [], ["output0"], value=value)
    graph = onnx.helper.make_graph([node], "network", [images], [output])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    known = {"task": "detect", "names": {0: "person", 1: "car"}, "stride": 32, "end2end": False, **about}
    onnx.helper.set_model_props(model, {name: str(value) for name, value in known.items()})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("about", [{"end2end": True}, {"args": {"nms": True}}], ids=["end2end", "nms=True"])
def test_rows_that_need_no_suppression_are_taken_as_they_are(tmp_path, about):
    """Ultralytics' `export(nms=True)` says so among the arguments alone."""
    ours = ForeignExport(network(tmp_path / "a.onnx", FOUND, **about), conf=0.25)
    found = ours(np.zeros((1, 64, 64, 3), np.uint8))
    assert ours.end2end
    np.testing.assert_array_equal(found.rows, np.insert(FOUND[:2], 0, 0, axis=1))


def test_a_network_for_several_pictures_at_once_is_refused_with_what_to_do(tmp_path):
    path = network(tmp_path / "two.onnx", FOUND, batch=2, end2end=True)
    with pytest.raises(WeightsError, match=r"two\.onnx takes 2 pictures at once; export it with batch=1"):
        ForeignExport(path, conf=0.25)


@pytest.mark.parametrize("shape", [(300, 6), (5, 300)], ids=["a row an object", "too few classes"])
def test_a_table_of_another_kind_is_refused_not_misread(tmp_path, shape):
    """Such is RT-DETR's, 300 queries of 4 + 2 numbers, in files of an Ultralytics that did not say whose it is."""
    ours = ForeignExport(network(tmp_path / "a.onnx", np.full(shape, 0.5, np.float32)), conf=0.25)
    with pytest.raises(WeightsError, match=rf"a\.onnx gives a table of {shape[0]} x {shape[1]} numbers, .* 2 classes"):
        ours(np.zeros((1, 64, 64, 3), np.uint8))
