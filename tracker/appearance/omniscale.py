"""The appearance network: omni-scale feature learning, written from the paper.

Zhou, Yang, Cavallaro, Xiang: Omni-Scale Feature Learning for Person Re-Identification, ICCV 2019. A residual block runs
four streams of one to four light 3x3 convolutions, so that each sees another scale, and one small gate shared by the
streams decides per channel and per picture how much of each scale counts. Here with a quarter of the paper's width:
0.2 M parameters without a classifier, 25 million multiply-adds for a crop of 128x64.

Names of modules and parameters are those of the checkpoints that circulate for OSNet x0.25 (torchreid), so that they
load as they are. `folded` gives the same function in a form that is quicker to run.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

WIDTHS = (16, 64, 96, 128)  # channels after the stem and after each of the three stages
STREAMS = 4
REDUCTION = 16  # of the gate's bottleneck
FEATURES = 512
MEAN_RGB, STD_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of pixels in [0, 1]


class ConvNorm(nn.Module):
    """Convolution, batch normalisation and, unless `linear`, a ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, linear: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(x))
        return y if self.linear else F.relu(y, inplace=True)


class LightConv(nn.Module):
    """The light 3x3 convolution: pointwise, then depthwise, then batch normalisation and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False, groups=channels)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv2(self.conv1(x))), inplace=True)


class Gate(nn.Module):
    """The unified aggregation gate: a weight in (0, 1) for each picture and channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // REDUCTION
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def weights(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 1, 1)."""
        return torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weights(x)


class OmniScaleBlock(nn.Module):
    """Residual block whose four streams see 3, 5, 7 and 9 pixels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        middle = outputs // 4
        self.conv1 = ConvNorm(inputs, middle)
        self.conv2a = LightConv(middle)
        self.conv2b = nn.Sequential(*(LightConv(middle) for _ in range(2)))
        self.conv2c = nn.Sequential(*(LightConv(middle) for _ in range(3)))
        self.conv2d = nn.Sequential(*(LightConv(middle) for _ in range(4)))
        self.gate = Gate(middle)
        self.conv3 = ConvNorm(middle, outputs, linear=True)
        self.downsample = ConvNorm(inputs, outputs, linear=True) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        squeezed = self.conv1(x)
        streams = (self.conv2a, self.conv2b, self.conv2c, self.conv2d)
        mixed = torch.stack([self.gate(stream(squeezed)) for stream in streams]).sum(0)
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.conv3(mixed) + shortcut, inplace=True)


def _stage(inputs: int, outputs: int, halve: bool) -> nn.Sequential:
    stage = nn.Sequential(OmniScaleBlock(inputs, outputs), OmniScaleBlock(outputs, outputs))
    if halve:
        stage.append(nn.Sequential(ConvNorm(outputs, outputs), nn.AvgPool2d(2)))
    return stage


class OmniScaleNet(nn.Module):
    """Crops (N, 3, H, W), RGB, normalised by ImageNet's mean and standard deviation -> features (N, 512), not scaled.

    H and W are free; each is divided by 16 inside.
    """

    def __init__(self) -> None:
        super().__init__()
        stem, first, second, third = WIDTHS
        self.conv1 = ConvNorm(3, stem, kernel=7, stride=2)
        self.conv2 = _stage(stem, first, halve=True)
        self.conv3 = _stage(first, second, halve=True)
        self.conv4 = _stage(second, third, halve=False)
        self.conv5 = ConvNorm(third, third)
        self.fc = nn.Sequential(nn.Linear(third, FEATURES), nn.BatchNorm1d(FEATURES), nn.ReLU())

    def forward(self, crops: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv1(crops), 3, stride=2, padding=1)
        x = self.conv5(self.conv4(self.conv3(self.conv2(x))))
        features: Tensor = self.fc(x.mean((2, 3)))
        return features


class FoldedNet(nn.Module):
    """The same function as a trained `OmniScaleNet`, from pixels to unit vectors, in the form that is quickest to run.

    Batch normalisation goes into the convolutions and the pixels' scale and channel order into the first. The k-th
    light convolutions of all streams become one, which leaves four in place of ten for each block: twice as fast as
    the trained form on a CPU, and without a compiler. Expects crops (N, H, W, 3), BGR, 0 to 255, of any number type;
    gives (N, 512) float32 rows of length 1. Its weights are constants: it cannot be trained.
    """

    mean: Tensor  # (3,) of the pixels

    def __init__(self, net: OmniScaleNet) -> None:
        super().__init__()
        weight, bias = _fold(net.conv1.conv, net.conv1.bn)
        self.register_buffer("mean", torch.tensor(MEAN_RGB).flip(0) * 255)
        scale = 1 / (255 * torch.tensor(STD_RGB))
        self.stem = _Conv((weight * scale[:, None, None]).flip(1), bias, stride=2)
        self.stages = nn.Sequential()
        for stage in (net.conv2, net.conv3, net.conv4):
            for layer in stage:
                if isinstance(layer, OmniScaleBlock):
                    self.stages.append(_FoldedBlock(layer))
                else:
                    transition = cast(ConvNorm, cast(nn.Sequential, layer)[0])
                    self.stages.extend([_Conv(*_fold(transition.conv, transition.bn)), nn.AvgPool2d(2)])
        self.last = _Conv(*_fold(net.conv5.conv, net.conv5.bn))
        linear, norm = net.fc[0], net.fc[1]
        assert isinstance(linear, nn.Linear) and isinstance(norm, nn.BatchNorm1d)
        mean, variance = _statistics(norm)
        factor = norm.weight.detach() / torch.sqrt(variance + norm.eps)
        self.head = nn.Linear(linear.in_features, linear.out_features)
        self.head.weight.data = linear.weight.detach() * factor[:, None]
        self.head.bias.data = ((linear.bias - mean) * factor + norm.bias).detach()
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, crops: Tensor) -> Tensor:
        x = (crops.to(self.head.weight.dtype) - self.mean).permute(0, 3, 1, 2)
        x = F.max_pool2d(self.stem(x), 3, stride=2, padding=1)
        x = self.last(self.stages(x))
        features = F.normalize(self.head(x.mean((2, 3))).relu_())
        return features if features.dtype == torch.float32 else features.float()  # an exporter keeps an idle cast


class _Conv(nn.Module):
    """A convolution with folded normalisation and its ReLU."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, stride: int = 1, groups: int = 1, linear: bool = False):
        super().__init__()
        self.register_buffer("weight", weight.detach().clone())
        self.register_buffer("bias", None if bias is None else bias.detach().clone())
        self.stride, self.padding, self.groups = stride, weight.shape[2] // 2, groups
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv2d(x, self.weight, self.bias, self.stride, self.padding, groups=self.groups)
        return y if self.linear else y.relu_()


class _FoldedBlock(nn.Module):
    """`OmniScaleBlock` with its streams side by side: the k-th level holds the streams of k and more convolutions."""

    def __init__(self, block: OmniScaleBlock) -> None:
        super().__init__()
        self.channels = block.conv1.conv.out_channels
        self.squeeze = _Conv(*_fold(block.conv1.conv, block.conv1.bn))
        several = (list(cast(Iterable[LightConv], stream)) for stream in (block.conv2b, block.conv2c, block.conv2d))
        streams = [[block.conv2a], *several]
        self.levels = nn.ModuleList()
        for level in range(STREAMS):
            light = [stream[level] for stream in streams[level:]]
            pointwise = torch.cat([layer.conv1.weight for layer in light])
            weights, biases = zip(*(_fold(layer.conv2, layer.bn) for layer in light), strict=True)
            depthwise = torch.cat(weights)
            groups = 1 if level == 0 else len(light)  # the first level reads one input, the later ones their own stream
            self.levels.append(
                nn.Sequential(
                    _Conv(pointwise, None, groups=groups, linear=True),
                    _Conv(depthwise, torch.cat(biases), groups=len(depthwise)),
                )
            )
        self.gate = copy.deepcopy(block.gate)
        self.expand = _Conv(*_fold(block.conv3.conv, block.conv3.bn), linear=True)
        down = block.downsample
        self.shortcut = nn.Identity() if down is None else _Conv(*_fold(down.conv, down.bn), linear=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.squeeze(x)
        mixed = torch.zeros((), dtype=x.dtype, device=x.device)
        for level in self.levels:
            y = level(y)
            done, y = y[:, : self.channels], y[:, self.channels :]  # the shortest stream ends here
            mixed = torch.addcmul(mixed, done, self.gate.weights(done))
        together: Tensor = self.expand(mixed) + self.shortcut(x)
        return together.relu_()


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of one convolution that does what `conv` and then `norm` do."""
    mean, variance = _statistics(norm)
    weight, bias = fuse_conv_bn_weights(conv.weight, None, mean, variance, norm.eps, norm.weight, norm.bias)
    return weight.detach(), bias.detach()


def _statistics(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Running mean and variance, which a normalisation for inference always has."""
    assert norm.running_mean is not None and norm.running_var is not None
    return norm.running_mean, norm.running_var
