"""A detector whose classes are texts becomes one of a closed vocabulary: the texts turn into its last layer.

Such a head compares a feature of each cell with the embedding of each text. For texts that stay the same that is one
more linear map, and where the feature is only shifted and scaled before (YOLOE, YOLO-World v2) it is one with the
convolution that makes the feature. After that the head is Ultralytics' ordinary one, and all that works on those
works on it: rows above a threshold, exports, INT8.

YOLO-World: Cheng et al., CVPR 2024; YOLOE: Wang et al., ICCV 2025. Layers: https://github.com/ultralytics/ultralytics
(AGPL-3.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tracker.detection.open_vocabulary.text_encoder import CLIP, ENCODERS, TextEncoder
from tracker.errors import UsageError, WeightsError
from tracker.system.privacy import imported

HEADS = ("WorldDetect", "YOLOEDetect", "YOLOESegment", "YOLOESegment26")
_CLOSED = {"WorldDetect": "Detect"}  # the others are called as the closed ones, after "YOLOE"
_COCO = 80


def closed(network: Any, prompt: Sequence[str], path: Path) -> Any:
    """The network of `path` with one of `HEADS` for the texts of `prompt`, or its own where that is empty; consumed.

    Raises:
        WeightsError: it has no vocabulary of its own, or the text encoder for another is missing.
        UsageError: its vocabulary cannot be changed any more.
        MissingExtraError: the text encoder's library is not installed.
    """
    head = network.model[-1]
    if not _is_fixed(head):
        texts, names = _vocabulary(network, prompt, path)
        if type(head).__name__ == "WorldDetect":
            network.txt_feats = texts[None]  # which its neck looks at, too
        for branch, contrast in _pairs(head):
            _spell_out(branch, contrast, functional.normalize(texts, dim=-1))
        network.names = dict(enumerate(names))
    elif prompt:
        raise UsageError(
            f"the vocabulary of {path} is part of its network and cannot be changed; choose among its classes with "
            f"--classes (track info {path} lists them), or give the weights it was made from"
        )
    if hasattr(head, "lrpc"):
        _propose(head)
    network.names = dict(enumerate(_names(network)))
    _close(network)
    return network


def _is_fixed(head: Any) -> bool:
    """Whether its vocabulary is a part of the network already."""
    return bool(getattr(head, "is_fused", False)) or hasattr(head, "lrpc")


def needed(network: Any, prompt: Sequence[str]) -> TextEncoder | None:
    """What turns `prompt` into embeddings for this network; None where it knows them all, or can be told nothing."""
    if _is_fixed(network.model[-1]):
        return None
    own = _own(network)
    if not prompt or all(text in own for text in prompt):
        return None
    return ENCODERS.get(CLIP if hasattr(network, "txt_feats") else getattr(network, "text_model", "mobileclip:blt"))


def _vocabulary(network: Any, prompt: Sequence[str], path: Path) -> tuple[Tensor, list[str]]:
    """(C, 512) embeddings and the texts."""
    own = _own(network)
    texts = list(dict.fromkeys(prompt or own))
    if not texts:
        raise WeightsError(f"{path} finds what it is told in words, and was told none; give them: --prompt 'a, b'")
    encoder = needed(network, texts)
    if encoder is None:
        if not all(text in own for text in texts):
            raise WeightsError(f"{path} has a text encoder that is not known; give weights with their vocabulary set")
        return torch.stack([own[text] for text in texts]), texts
    embeddings = encoder.encode(texts, path)
    head = network.model[-1]
    if hasattr(head, "get_tpe"):
        with torch.inference_mode(False), torch.no_grad():
            embeddings = head.float().get_tpe(embeddings[None])[0]
    return embeddings, texts


def _own(network: Any) -> dict[str, Tensor]:
    """The vocabulary that was set when the weights were saved: text -> embedding (512,)."""
    world = hasattr(network, "txt_feats")
    embeddings = network.txt_feats if world else getattr(network, "pe", None)
    if embeddings is None:
        return {}
    names = _names(network)
    width = 512 if world else network.model[-1].embed
    if tuple(embeddings.shape) != (1, len(names), width) or not bool(torch.isfinite(embeddings).all()):
        raise ValueError(f"{tuple(embeddings.shape)} embeddings of {len(names)} texts")
    return dict(zip(names, embeddings[0].detach().float(), strict=True))


def _names(network: Any) -> list[str]:
    """What the classes are called, which these networks may have as a list, or not at all where they are COCO's."""
    names: Any = getattr(network, "names", None)
    if names is None and network.model[-1].nc == _COCO:
        utils = imported("ultralytics.utils")
        names = utils.YAML.load(utils.ROOT / "cfg" / "datasets" / "coco8.yaml")["names"]
    return [str(name) for name in (names.values() if isinstance(names, dict) else names)]


def _pairs(head: Any) -> list[tuple[Any, Any]]:
    """Each grid's branch that makes features, and what compares them with texts."""
    branches = [(head.cv3, head.cv4)]
    if getattr(head, "one2one_cv3", None) is not None:
        branches.append((head.one2one_cv3, head.one2one_cv4))
    return [pair for features, contrasts in branches if features for pair in zip(features, contrasts, strict=True)]


def _spell_out(branch: Any, contrast: Any, texts: Tensor) -> None:
    """Make `branch` give the scores of `texts` (C, 512), as `contrast` makes them of its features."""
    feature = branch[-1].float()
    weight = texts * contrast.logit_scale.detach().float().exp()
    bias = contrast.bias.detach().float().expand(len(texts))
    scores = nn.Conv2d(feature.out_channels, len(texts), 1)
    norm = getattr(contrast, "norm", None)
    if norm is None:  # YOLO-World v1: features of unit length
        branch.append(_UnitLength())
        branch.append(scores)
    else:
        norm = norm.float()
        scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
        shift = norm.bias.detach() + scale * (feature.bias.detach() - norm.running_mean)
        bias = bias + weight @ shift
        weight = (weight * scale) @ feature.weight.detach().flatten(1)
        scores = nn.Conv2d(feature.in_channels, len(texts), 1)
        branch[-1] = scores
    scores.weight = nn.Parameter(weight[..., None, None].contiguous(), requires_grad=False)
    scores.bias = nn.Parameter(bias.contiguous(), requires_grad=False)


class _UnitLength(nn.Module):
    """Features (B, E, h, w) of length 1."""

    def forward(self, features: Tensor) -> Tensor:
        return functional.normalize(features, dim=1)


def _propose(head: Any) -> None:
    """Of a head that first asks whether a cell holds anything: the usual two branches, whose scores say that too."""
    first = "one2one_" if head.end2end else ""
    proposers = getattr(head, f"{first}lrpc", head.lrpc)
    boxes, scores = getattr(head, f"{first}cv2"), getattr(head, f"{first}cv3")
    for box, score, proposer in zip(boxes, scores, proposers, strict=True):
        box.append(proposer.loc)
        score.append(_Proposed(proposer) if proposer.enabled else proposer.vocab)
    head.fuse()  # the other branches have lost their last layers
    for name in ("lrpc", "one2one_lrpc"):
        head._modules.pop(name, None)


class _Proposed(nn.Module):
    """Features (B, E, h, w) -> scores (B, C, h, w) of a large vocabulary, for the cells that hold anything."""

    def __init__(self, proposer: Any) -> None:
        super().__init__()
        self.objectness, self.vocabulary = proposer.pf, proposer.vocab

    def forward(self, features: Tensor) -> Tensor:
        image, row, column = torch.nonzero(self.objectness(features)[:, 0].sigmoid() > 0.001, as_tuple=True)
        batch, _, height, width = features.shape
        scores = features.new_full((batch, height, width, self.vocabulary.out_features), -torch.inf)
        scores[image, row, column] = self.vocabulary(features.permute(0, 2, 3, 1)[image, row, column])
        return scores.permute(0, 3, 1, 2)


def _close(network: Any) -> None:
    """Say of head and network what they have become, and leave out what served to change the vocabulary."""
    modules, tasks = imported("ultralytics.nn.modules"), imported("ultralytics.nn.tasks")
    head = network.model[-1]
    kind = type(head).__name__
    for name in ("cv4", "one2one_cv4", "reprta", "savpe"):
        head._modules.pop(name, None)
    for branch in ("", "one2one_"):
        if f"{branch}cv5" in head._modules:  # weights of masks, which the ordinary head has one number before
            head._modules[f"{branch}cv4"] = head._modules.pop(f"{branch}cv5")
    head.nc = len(network.names)
    head.no = head.nc + 4 * head.reg_max
    network.nc = head.nc
    plain = _CLOSED.get(kind, kind.removeprefix("YOLOE"))
    head.__class__ = getattr(modules, plain)
    if kind != "WorldDetect":  # whose neck stays what it is
        network.__class__ = tasks.SegmentationModel if plain.startswith("Segment") else tasks.DetectionModel
        *where, _, arguments = network.yaml["head"][-1]
        network.yaml["head"][-1] = [*where, plain, arguments[: 3 if plain.startswith("Segment") else 1]]
