"""Words as embeddings: the text encoders of CLIP and MobileCLIP, beside the weights that were trained with them.

Both come as TorchScript, which is a program: a file is opened only if it is, to the bit, the one that was published.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tracker.detection.downloads.published import published
from tracker.errors import WeightsError
from tracker.system.extras import extra

CLIP = "clip:ViT-B/32"


@dataclass(frozen=True)
class TextEncoder:
    """What a network's texts are encoded with.

    Attributes:
        file: its name. megabytes: its size.
    """

    file: str
    megabytes: int

    def encode(self, texts: Sequence[str], weights: Path) -> Tensor:
        """(C, 512) float32 of unit length: what stands for each text in the network of `weights`.

        Raises:
            WeightsError: the encoder is not beside the weights, or is not the published file.
            MissingExtraError: the library with its tokens is not installed.
        """
        path = weights.parent / self.file
        source = published(self.file)
        assert source is not None
        if not path.is_file():
            raise WeightsError(
                f"words are encoded for {weights} by {self.file} ({self.megabytes} MB), which is not beside it, and "
                f"nothing is downloaded unasked; get it from {source.url}, or give --download"
            )
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != source.digest.removeprefix("sha256:"):
            raise WeightsError(
                f"{path} is not the file that was published, and a program, so it is not run; remove it and get it "
                f"from {source.url}"
            )
        open_clip = extra("open_clip", "prompt")
        tokens = open_clip.tokenize(list(texts))
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # TorchScript is deprecated, but this is how the file is
            if self.file.endswith(".ts"):
                encoder: Any = torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]
                encoded = encoder(tokens)
            else:
                model = open_clip.load_openai_model(str(path), precision="fp32", device="cpu")
                encoded = model.encode_text(tokens, normalize=True)
        return torch.as_tensor(encoded, dtype=torch.float32).clone()


ENCODERS = {
    CLIP: TextEncoder("ViT-B-32.pt", 354),
    "mobileclip:blt": TextEncoder("mobileclip_blt.ts", 600),
    "mobileclip2:b": TextEncoder("mobileclip2_b.ts", 254),
}
"""Of the networks, as they name it."""
