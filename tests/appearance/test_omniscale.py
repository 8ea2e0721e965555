"""The appearance network itself: its size, its scales, its checkpoints and its folded form."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from tracker.appearance.omniscale import MEAN_RGB, STD_RGB, FoldedNet, OmniScaleBlock, OmniScaleNet

SHARED = Path(__file__).parents[3] / "shared" / "weights"


@pytest.fixture(scope="module")
def net() -> OmniScaleNet:
    """A network whose batch normalisations have seen data, as a trained one's have."""
    torch.manual_seed(0)
    network = OmniScaleNet().train()
    for _ in range(3):
        network(torch.randn(8, 3, 64, 32))
    return network.eval()


def multiply_adds(network: OmniScaleNet, height: int, width: int) -> int:
    total = 0

    def count(layer: nn.Conv2d, _: object, out: torch.Tensor) -> None:
        nonlocal total
        total += layer.weight[0].numel() * out[0].numel()

    handles = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    network(torch.zeros(1, 3, height, width))
    for handle in handles:
        handle.remove()
    return total


def test_a_crop_costs_25_million_multiply_adds(net: OmniScaleNet) -> None:
    assert 20e6 < multiply_adds(net, 128, 64) < 30e6


@pytest.mark.parametrize("size", [(128, 64), (256, 128), (96, 48), (64, 64)])
def test_any_crop_size_gives_512_numbers(net: OmniScaleNet, size: tuple[int, int]) -> None:
    assert net(torch.zeros(2, 3, *size)).shape == (2, 512)


@pytest.mark.parametrize(("stream", "pixels"), [("conv2a", 3), ("conv2b", 5), ("conv2c", 7), ("conv2d", 9)])
def test_each_stream_sees_its_own_scale(stream: str, pixels: int) -> None:
    torch.manual_seed(0)
    block = OmniScaleBlock(64, 64).eval()
    for layer in block.modules():  # all positive: no ReLU can hide a pixel
        if isinstance(layer, nn.Conv2d):
            nn.init.uniform_(layer.weight, 0.1, 0.2)
    picture = torch.ones(1, 16, 21, 21, requires_grad=True)
    getattr(block, stream)(picture)[0, 0, 10, 10].backward()
    assert picture.grad is not None
    assert (picture.grad[0, 0] > 0).any(dim=0).sum() == pixels


@pytest.mark.parametrize("size", [(128, 64), (256, 128)])
def test_the_folded_form_is_the_same_function(net: OmniScaleNet, size: tuple[int, int]) -> None:
    crops = torch.randint(0, 256, (3, *size, 3), dtype=torch.uint8)
    rgb = crops.flip(-1).permute(0, 3, 1, 2) / 255
    normalised = (rgb - torch.tensor(MEAN_RGB)[:, None, None]) / torch.tensor(STD_RGB)[:, None, None]
    with torch.inference_mode():
        torch.testing.assert_close(FoldedNet(net)(crops), F.normalize(net(normalised)), rtol=0, atol=2e-6)


def test_folding_leaves_the_network_trainable(net: OmniScaleNet) -> None:
    before = {name: value.clone() for name, value in net.state_dict().items()}
    FoldedNet(net)
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.shared
@pytest.mark.parametrize("name", ["osnet_x0_25_msmt17", "osnet_x0_25_market1501"])
def test_torchreid_checkpoints_load_to_the_last_key(name: str) -> None:
    path = SHARED / f"{name}.safetensors"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    state = load_file(path)
    network = OmniScaleNet()
    network.load_state_dict(state, strict=True)
    assert set(state) == set(network.state_dict())
