"""Weights that their makers publish: where each comes from. Nothing is fetched unless the user asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tracker.detection.downloads.transfer import transfer
from tracker.system.extras import extra
from tracker.system.privacy import imported

_RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0/"
_GITHUB = ("release-assets.githubusercontent.com", "objects.githubusercontent.com")  # where it keeps what is released

# Of the files that are asked for most, or run as programs (.ts, ViT-B-32.pt); each is given alike by several projects
# that pin it.
_SHA256 = {
    "ViT-B-32.pt": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    "mobileclip_blt.ts": "a67804d1b0f07b8b9a20c1761ec0847f34660f5fa338ec70e8f3fce68ed95e54",
    "mobileclip2_b.ts": "35d7f213e4d75f38514e4656ad3cb91158bd33e3805d8ac349f23b186f66982f",
    "yolo11n.pt": "0ebbc80d4a7680d14987a577cd21342b65ecfd94632bd9a8da63ae6417644ee1",
    "yolo11s.pt": "85a76fe86dd8afe384648546b56a7a78580c7cb7b404fc595f97969322d502d5",
    "yoloe-11l-seg.pt": "a993fb0fc7c8830939ae14e6434a925dd1179428158c2761482eb8a8d8a3699f",
    "yoloe-11s-seg.pt": "8e439445c87338b79d9ce21dec109f4621e26df67e94d26ea1a98c1e64dce3e3",
    "yoloe-26l-seg.pt": "a612d2d505f24e14d87ec82d688b823b6cb600646664f16125ce6c84ce360da9",
    "yoloe-26s-seg.pt": "48f24206bc8680d60cbbfa296b0140da849669b9515058b72f5a945142df0654",
    "yolov8n.pt": "f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36",
    "yolov8s-worldv2.pt": "9b2c17ab6124a913e9b3a5c170617920d91b0f01111a8479da69f00e2cf27792",
}


@dataclass(frozen=True)
class Published:
    """A file that its maker publishes.

    Attributes:
        url: its address. hosts: where that may send us on to.
        digest: "sha256:..." or "md5:..."; "" where none is known.
    """

    url: str
    hosts: tuple[str, ...] = ()
    digest: str = ""


def published(name: str) -> Published | None:
    """Where the file of this name comes from; None where nobody known publishes one.

    Raises:
        MissingExtraError: RF-DETR's library, which knows where that comes from, is not installed.
    """
    digest = f"sha256:{_SHA256[name]}" if name in _SHA256 else ""
    if name == "ViT-B-32.pt":
        folder = "https://openaipublic.azureedge.net/clip/models/"
        return Published(f"{folder}{_SHA256[name]}/{name}", digest=digest)
    if name.startswith("rf-detr"):
        asset = extra("rfdetr.assets.model_weights", "rfdetr").ModelWeights.from_filename(name)
        return Published(asset.url, digest=f"md5:{asset.md5_hash}") if asset else None
    if name in imported("ultralytics.utils.downloads").GITHUB_ASSETS_NAMES:
        return Published(_RELEASE + name, _GITHUB, digest)
    return None


def fetch(path: Path, progress: Callable[[int, int], None] = lambda *_: None) -> None:
    """Download the published file of `path`'s name to `path`, where there is none yet; another is left to the user.

    Raises:
        WeightsError: it cannot be had; nothing is kept. OutputError: it cannot be written.
    """
    source = None if path.exists() else published(path.name)
    if source is not None:
        transfer(source.url, path, hosts=source.hosts, digest=source.digest, progress=progress)
