"""Weights of a detector from anybody: what a file says is believed only as far as its own tensors bear it out."""

import json
import resource
import socket
import subprocess
import sys
import time
import traceback
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import resnet18

from tracker.detection import yolo
from tracker.detection.detector import EMBEDDED
from tracker.errors import WeightsError


def write(path, architecture, state=None, names=None):
    """A file that describes a network, whose tensors are others."""
    notes = {"yaml": json.dumps(architecture), "names": json.dumps(names or {"0": "person"})}
    save_file(state or {"x": torch.zeros(1)}, path, notes)
    return path


@pytest.fixture(scope="module")
def architecture():
    return yolo.load(EMBEDDED)[0].yaml


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *where, **_: pytest.fail(f"looked up {where}"))


def one(layer, *arguments, repeats=1, source=-1):
    """A description of that layer and a head."""
    return {"nc": 1, "backbone": [[source, repeats, layer, list(arguments)]], "head": [[[0], 1, "Detect", ["nc"]]]}


class TestSafetensors:
    def test_a_layer_that_downloads_is_never_made(self, tmp_path, offline):
        path = write(tmp_path / "small.safetensors", one("TorchVision", 512, "resnet18", "DEFAULT"))
        assert path.stat().st_size < 400
        with pytest.raises(WeightsError, match="unknown layer 'TorchVision'"):
            yolo.load(path)

    def test_memory_is_taken_for_what_is_in_the_file_only(self, tmp_path):
        """600 MB here; Conv 65000 would be 150 GB."""
        description = {"nc": 1, "backbone": [[-1, 1, "Conv", [4096]]] * 2 + [[-1, 1, "Conv", [4096, 3]]]}
        path = write(tmp_path / "large.safetensors", description | {"head": [[[2], 1, "Detect", ["nc"]]]})
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(WeightsError, match="does not fit its own architecture"):
            yolo.load(path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB

    @pytest.mark.parametrize(
        "description",
        [
            one("Conv", 200000, 3),
            one("Conv", "200000", 3),
            one("Conv", 16, "1e9"),
            one("nn.Identity", repeats=10**9),
            one("nn.ZeroPad2d", 60000),
            one("nn.Upsample", "None", 60000, "nearest"),
            one("Conv", 8) | {"depth_multiple": 1e9},
            one("Conv", 8) | {"scales": {"n": [1e9, 1, 1024]}},
            one("Conv", 8) | {"width_multiple": float("nan")},
            one("Conv", 8) | {"channels": 4},
            one("Conv", 8) | {"backbone": [[-1, 1, "Conv", [8]]] * 10**5},
            one("Conv", 8) | {"backbone": 3},
            one("Conv", 8) | {"nc": "many"},
            one("Concat", 1, source=[-1] * 10**6),
            [],
            "text",
            None,
        ],
        ids=lambda value: json.dumps(value)[:60],
    )
    def test_what_no_detector_says_is_refused_at_once(self, tmp_path, description):
        path = write(tmp_path / "odd.safetensors", description)
        began = time.monotonic()
        with pytest.raises(WeightsError, match=r"odd\.safetensors") as refused:
            yolo.load(path)
        assert time.monotonic() - began < 60 and "\n" not in str(refused.value)

    @pytest.mark.parametrize("notes", [{"yaml": "[" * 10**5}, {"names": "[1]"}, {"names": "{}"}, {"yaml": "{"}])
    def test_notes_that_are_none(self, tmp_path, notes, architecture):
        own = {"yaml": json.dumps(architecture), "names": '{"0": "person"}'}
        save_file({"x": torch.zeros(1)}, tmp_path / "odd.safetensors", own | notes)
        with pytest.raises(WeightsError, match=r"odd\.safetensors"):
            yolo.load(tmp_path / "odd.safetensors")

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_numbers_that_are_not_finite(self, tmp_path, architecture, value):
        state = load_file(EMBEDDED)
        state["model.3.conv.weight"][0, 0] = value
        names = {str(i): str(i) for i in range(80)}
        with pytest.raises(WeightsError, match="not finite"):
            yolo.load(write(tmp_path / "nan.safetensors", architecture, state, names))

    def test_a_tensor_of_another_shape_or_too_much_is_named(self, tmp_path, architecture):
        names = {str(i): str(i) for i in range(80)}
        for change in ({"model.3.conv.weight": torch.zeros(2, 2)}, {"model.99.weight": torch.zeros(1)}):
            with pytest.raises(WeightsError, match=next(iter(change))):
                yolo.load(write(tmp_path / "odd.safetensors", architecture, load_file(EMBEDDED) | change, names))


class _Call:
    """Pickled as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class TestCheckpoint:
    def test_no_layer_is_made_while_a_checkpoint_is_read(self, tmp_path, offline):
        """PyTorch's restricted unpickler calls the layers it knows, with arguments from the file."""
        layers = yolo.ultralytics("nn.modules")
        for call in (_Call(layers.TorchVision, "resnet18"), _Call(torch.nn.Linear, 100, 100)):
            torch.save({"model": call}, tmp_path / "evil.pt")
            with pytest.raises(WeightsError, match="without running code") as refused:
                yolo.load(tmp_path / "evil.pt")
            assert "a call of" in "".join(traceback.format_exception(refused.value))
        torch.nn.Linear(2, 2)  # made as ever

    def test_it_may_be_the_first_thing_a_process_reads(self, tmp_path):
        """Importing Ultralytics makes layers, too."""
        torch.save({"model": yolo.load(EMBEDDED)[0]}, tmp_path / "people.pt")
        code = "import sys; from pathlib import Path; from tracker.detection import yolo; yolo.load(Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", code, tmp_path / "people.pt"], cwd=Path(__file__).parents[2], check=True)

    def test_tensors_are_not_larger_than_the_file(self, tmp_path, architecture):
        network = deepcopy(yolo.load(EMBEDDED)[0])
        network.model[0].conv.weight = torch.nn.Parameter(torch.zeros(1).expand(1 << 40), requires_grad=False)
        torch.save({"model": network}, tmp_path / "wide.pt")
        with pytest.raises(WeightsError, match=r"wide\.pt"):
            yolo.load(tmp_path / "wide.pt")

    def test_a_missing_one_is_not_downloaded(self, tmp_path, offline):
        with pytest.raises(WeightsError, match=r"yolo11n\.pt"):
            yolo.read_checkpoint(tmp_path / "yolo11n.pt")

    def test_another_network(self, tmp_path):
        torch.save({"model": resnet18()}, tmp_path / "resnet.pt")
        with pytest.raises(WeightsError, match=r"resnet\.pt"):
            yolo.load(tmp_path / "resnet.pt")
