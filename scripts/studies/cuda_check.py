"""What a GPU gives: are the tracks the CPU's, how fast at which batch and precision, and what pays beyond that?

    pip install . && python scripts/studies/cuda_check.py --out runs/cuda

on a machine with an NVIDIA GPU. It needs no data, takes less than eight minutes and leaves `cuda.json` and `cuda.md`,
complete after each part. `--device cpu --quick` goes through the same code without a GPU, on a few frames.

Precisions: "fp32" is 32-bit throughout; "tf32" is PyTorch's default and what `track` runs with, in which convolutions
take TensorFloat-32; "fp16" is `--half`: the detector in 16 bits, the appearance network as in "tf32".
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import av
import cv2
import numpy as np
import torch
import typer
from av.codec.hwaccel import HWAccel

from beside import detections_beside, tracks_beside
from isolated import Case, Row, in_own_process, markdown
from options import Only, Out, study
from tracker import Config, Tracker, open_source, provenance
from tracker.appearance import similarity
from tracker.appearance.omniscale import FoldedNet
from tracker.appearance.weights import load_weights
from tracker.datasets.mot import results
from tracker.detection.detector import find_weights
from tracker.detection.letterbox import letterbox
from tracker.detection.yolo import for_inference, load
from tracker.errors import UsageError
from tracker.jobs.demo import make_clip
from tracker.jobs.run import Output, SourceResult, run
from tracker.structures import Image
from tracker.system.device import resolve_device
from tracker.system.files import replace_text
from tracker.train.appearance.lesson import lesson
from tracker.train.appearance.loop import train
from tracker.train.appearance.settings import TrainConfig
from tracker.train.detector.fine_tune import fine_tune
from tracker.train.detector.settings import FineTuneConfig
from tracker.train.motion.settings import MotionTraining
from tracker.train.motion.trainer import Trainer

PRECISIONS = ("fp32", "tf32", "fp16")
BATCHES = (8, 1, 2, 4, 16, 32)  # the default first; of these two where it is to be quick
STEPS = 200  # of each training


@dataclass(frozen=True)
class Setup:
    """The clip and every how many-th frame of it is used, the device, whether to be quick, and a folder for scratch."""

    clip: Path
    stride: int
    device: str
    quick: bool
    folder: Path

    def frames(self, count: int) -> list[Image]:
        """The first `count` frames that are used; of a short clip some of them again."""
        with open_source(str(self.clip), self.stride) as source:
            seen = [frame.image for _, frame in zip(range(count), source, strict=False)]
        return [seen[i % len(seen)] for i in range(count)]

    def tracker(self, precision: str, batch: int, device: str = "") -> Tracker:
        """A tracker whose networks have seen a batch, so that all is loaded and laid out."""
        torch.backends.cudnn.allow_tf32 = precision != "fp32"
        config = Config().override({"detector": {"half": precision == "fp16", "batch": batch}})
        tracker = Tracker(config, device=device or self.device)
        images = self.frames(batch)
        tracker.embedder(images[0], tracker.detector(images)[0].xyxy)
        return tracker

    def run(self, tracker: Tracker, video: bool = False) -> SourceResult:
        """The whole job, its results in the scratch folder."""
        output = Output(self.folder, "run", video=video)
        (result,) = run([str(self.clip)], tracker, output, vid_stride=self.stride)
        if result.error:
            raise result.error
        return result

    def ms(self, work: Callable[[], object]) -> float:
        """Milliseconds that `work` takes with what it started on the GPU: the median, after a warm-up."""
        times = []
        for _ in range(3 if self.quick else 30):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            times.append(1000 * (time.perf_counter() - start))
        return statistics.median(times[len(times) // 3 :])

    def wait(self) -> None:
        """Until the GPU has done all it was given."""
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)


def machine(setup: Setup) -> Iterator[Case]:
    """What it is."""
    cuda = setup.device != "cpu"
    name = partial(torch.cuda.get_device_properties, setup.device) if cuda else lambda: "CPU"
    yield {"device": setup.device}, lambda: {"name": str(name()), "cudnn": torch.backends.cudnn.version()}


def parity(setup: Setup) -> Iterator[Case]:
    """Detections, embeddings of the same boxes, and tracks beside the CPU's."""
    images = setup.frames(4 if setup.quick else 32)
    cpu = setup.tracker("fp32", 1, "cpu")
    found = cpu.detector(images)
    looks = [cpu.embedder(image, seen.xyxy) for image, seen in zip(images, found, strict=True)]
    tracks = results(setup.run(cpu).folder / "tracks.txt")

    def beside(precision: str, batch: int) -> Row:
        tracker = setup.tracker(precision, batch)
        again = [tracker.embedder(image, seen.xyxy) for image, seen in zip(images, found, strict=True)]
        cosine = min(float((a * b).sum(1).min(initial=1)) for a, b in zip(looks, again, strict=True))
        compared = detections_beside(found, tracker.detector(images)) | {"least_cosine": round(cosine, 5)}
        return compared | tracks_beside(tracks, results(setup.run(tracker).folder / "tracks.txt"))

    for batch, precision in product(BATCHES[:2], PRECISIONS):
        yield {"precision": precision, "batch": batch}, partial(beside, precision, batch)


def speed(setup: Setup) -> Iterator[Case]:
    """Frames/s of whole runs, without video and with it; milliseconds a frame of their stages, which overlap, each with
    its results back from the GPU; and of detector and appearance network with nothing beside them."""

    def measured(precision: str, batch: int) -> Row:
        tracker = setup.tracker(precision, batch)
        images = setup.frames(batch)
        boxes = np.tile([10, 10, 60, 140], (32, 1))
        if setup.device != "cpu":
            torch.cuda.reset_peak_memory_stats(setup.device)
        network = setup.ms(lambda: tracker.detector(images)) / batch
        alone = {"detector alone": network, "32 crops alone": setup.ms(lambda: tracker.embedder(images[0], boxes))}
        bare, video = (setup.run(tracker, video).to_dict() for video in (False, True))
        rates = {"frames/s": bare["frames_per_s"], "with video": video["frames_per_s"]}
        stages = bare["ms_per_frame"] | {"write": video["ms_per_frame"]["write"]}
        memory = torch.cuda.max_memory_allocated(setup.device) / 2**20 if setup.device != "cpu" else 0
        return rates | stages | {name: round(ms, 2) for name, ms in alone.items()} | {"gpu_mib": round(memory)}

    for precision, batch in product(("tf32", "fp16", "fp32"), BATCHES[: 2 if setup.quick else None]):
        yield {"precision": precision, "batch": batch}, partial(measured, precision, batch)


def compiling(setup: Setup) -> Iterator[Case]:
    """The networks as they are and by `torch.compile`: milliseconds of a batch, and seconds until it is compiled."""

    def detector(batch: int, dtype: torch.dtype) -> tuple[Any, torch.Tensor]:
        settings = Config().detector
        network = for_inference(load(find_weights(""))[0], torch.device(setup.device), dtype, settings.conf)
        boxed = np.stack([letterbox(image, settings.imgsz) for image in setup.frames(batch)])
        return network, torch.from_numpy(boxed).to(setup.device).permute(0, 3, 1, 2).to(dtype) / 255

    def appearance(batch: int, dtype: torch.dtype) -> tuple[Any, torch.Tensor]:
        weights = load_weights()
        crops = torch.rand(batch, *weights.crop_size, 3, device=setup.device) * 255
        return FoldedNet(weights.network()).to(setup.device, dtype), crops

    @torch.inference_mode()
    def measured(made: Callable[[int, torch.dtype], tuple[Any, torch.Tensor]], mode: str, *about: Any) -> Row:
        network, inputs = made(*about)
        eager = setup.ms(lambda: network(inputs))
        compiled = torch.compile(network, **({"backend": "eager"} if setup.quick else {"mode": mode}))
        start = time.perf_counter()
        compiled(inputs)
        setup.wait()
        seconds = time.perf_counter() - start
        return {"ms": round(eager, 3), "compiled_ms": round(setup.ms(lambda: compiled(inputs)), 3), "s": round(seconds)}

    half, many = torch.float16 if setup.device != "cpu" else torch.float32, 2 if setup.quick else 32
    cases = ((detector, many // 4 or 1, half), (appearance, many, torch.float32), (detector, 1, half))
    for mode, (made, batch, dtype) in product(("default", "reduce-overhead"), cases):
        about = {"network": made.__name__, "batch": batch, "dtype": str(dtype).removeprefix("torch."), "mode": mode}
        yield about, partial(measured, made, mode, batch, dtype)


def training(setup: Setup) -> Iterator[Case]:
    """Steps/s of the three trainings and the loss they end with, on the clip that `track demo` makes.

    The detector's takes bfloat16 by itself where the device has it.
    """
    steps, batch = (8, 4) if setup.quick else (STEPS, 32)
    sequence = setup.folder / "sequence"
    clip = make_clip(sequence)
    (sequence / "img1").mkdir()
    with open_source(str(clip)) as source:
        for frame in source:
            cv2.imwrite(str(sequence / "img1" / f"{frame.number:06d}.jpg"), frame.image)

    def appearance(out: Path, half: bool, step: Callable[..., None]) -> float:
        config = TrainConfig(steps=steps, batch=batch, amp=half, checkpoint_every=steps)
        task, _ = lesson([sequence], [sequence], similarity.EMBEDDED, "", "", config, setup.device)
        losses: list[float] = []
        train(task, out, config, progress=lambda _, row: step(losses.append(row["loss"])))
        return losses[-1]

    def motion(out: Path, half: bool, step: Callable[..., None]) -> float:
        rounds, precision = steps // 4, "bfloat16" if half else "float32"
        short = {"iterations": rounds, "validate_every": rounds, "filter_iterations": 20, "images": False}
        settings = MotionTraining(precision=precision, **short)
        trainer = Trainer([sequence], out, settings, "", torch.device(setup.device), lambda _: None)
        (row,) = trainer.run(step)
        trainer.save()
        return row["validation_loss"]

    def detector(out: Path, half: bool, step: Callable[..., None]) -> float:  # noqa: ARG001 - the device decides
        def told(what: str) -> None:
            if what.startswith("epoch"):
                step()

        config = FineTuneConfig(steps=steps, batch=batch // 2, every_s=1.0 if setup.quick else 0.1)
        return fine_tune([sequence], out, config, device=setup.device, progress=told)["result"]["mAP50-95"]

    def measured(work: Callable[..., float], half: bool, each: int, result: str) -> Row:
        ends: list[float] = []
        found = work(setup.folder / f"{work.__name__}-{half}", half, lambda *_: ends.append(time.perf_counter()))
        counted = ends[len(ends) // 5 :]  # without the warm-up
        rate = each * (len(counted) - 1) / (counted[-1] - counted[0])
        return {"steps/s": round(rate, 2), result: round(found, 4)}

    for work, each, result in ((appearance, 1, "loss"), (motion, 4, "loss"), (detector, 1, "mAP50-95")):
        for half in (False, True) if work is not detector else (True,):
            yield {"training": work.__name__, "bfloat16": half}, partial(measured, work, half, each, result)


def decoding(setup: Setup) -> Iterator[Case]:
    """Frames/s from the file to pixels (BGR, in the processor's memory), by libav's own threads and by NVDEC."""

    def measured(hardware: str) -> Row:
        count, start = -1, 0.0
        way = {"hwaccel": HWAccel(hardware, allow_software_fallback=False)} if hardware else {}
        with av.open(str(setup.clip), **way) as container:
            container.streams.video[0].thread_type = "SLICE" if hardware else "AUTO"
            for frame in container.decode(video=0):
                frame.to_ndarray(format="bgr24")
                start = start or time.perf_counter()  # after the first: opening does not count
                count += 1
        return {"frames/s": round(count / (time.perf_counter() - start), 1)}

    for name, hardware in (("libav", ""), ("NVDEC", "cuda")):
        yield {"decoder": name}, partial(measured, hardware)


PARTS = {machine: 0.1, parity: 0.25, speed: 0.35, training: 0.4, decoding: 0.1, compiling: 0.4}
"""Each with the share of the time that it takes at most; what one leaves is the next ones'."""


def main(
    out: Out,
    source: Annotated[Path | None, typer.Option(help="A clip of some ten seconds. Default: `track demo`'s.")] = None,
    device: Annotated[str, typer.Option(help="cuda, cuda:N, or cpu.")] = "cuda",
    quick: Annotated[bool, typer.Option("--quick", help="A few frames and steps, to see that it works.")] = False,
    only: Only = "",
    budget: Annotated[float, typer.Option(help="Seconds, for all parts together.")] = 440.0,
) -> None:
    """Measure each part, and write what is known after each."""
    try:
        place = resolve_device(device)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None
    begun, found = time.monotonic(), {}
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = source or make_clip(folder / "demo")
        with open_source(str(clip)) as opened:
            stride = max(1, (opened.frame_count or 1) // 6) if quick else 1
        setup = Setup(clip, stride, place, quick, folder)
        about = {"versions": provenance.versions(), "machine": provenance.machine(), "clip": clip.name}
        for part in PARTS:
            if only and part.__name__ not in only.split(","):
                continue
            limit_s = min(PARTS[part] * budget, begun + budget - time.monotonic())
            found[part.__name__] = in_own_process(part, setup, limit_s)
            replace_text(out / "cuda.json", json.dumps(about | {"parts": found}, indent=1) + "\n")
            replace_text(out / "cuda.md", markdown(found))
            print(markdown({part.__name__: found[part.__name__]}), flush=True)
    print(f"{time.monotonic() - begun:.0f} s; {out / 'cuda.json'}, {out / 'cuda.md'}")


if __name__ == "__main__":
    study(main)
