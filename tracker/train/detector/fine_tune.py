"""Fine-tune a YOLO detector with Ultralytics' own trainer, gently: it must stay as good as it was elsewhere.

Low learning rate, the statistics of batch normalisation frozen, and the result averaged with the start in weight space
(Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022): on images like the new ones most of the gain
stays, on others nearly nothing is lost. Of new classes there is nothing to lose: those are learned at twenty times the
rate and not averaged (`FineTuneConfig.suited`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tracker.detection import yolo
from tracker.detection.detector import find_weights
from tracker.errors import UsageError
from tracker.system.files import replace_file, writing
from tracker.system.output_folder import claim, emptied
from tracker.train.checkpoint import damaged, diverged, present, same_settings
from tracker.train.detector.dataset import COMMAND, Dataset, build
from tracker.train.detector.settings import FineTuneConfig
from tracker.train.interruption import undisturbed

_UNTAUGHT = ("OBB", "OBB26", "RTDETRDecoder")  # heads that upright boxes, or this trainer, teach nothing
_engine: Any = yolo.ultralytics("models.yolo.detect")
_LICENCE = "AGPL-3.0"
LEAVES = ("detector.safetensors", "detector.md", "dataset", "run")
BEGUN = "run/settings.json"  # written when the dataset is whole


class _FineTuner(_engine.DetectionTrainer):  # type: ignore[misc]
    """Ultralytics' trainer, begun from a given network instead of a file that would have to be unpickled."""

    last: Path  # the checkpoint

    def __init__(self, start: Any, checkpoint: dict[str, Any], overrides: dict[str, Any]) -> None:
        self._start, self._checkpoint = start, checkpoint
        self._whole = int(checkpoint.get("epoch", -1)) + 1  # epochs that were finished
        self._unsaved = False  # whether a step was done since the last checkpoint
        super().__init__(overrides=overrides)
        self.add_callback("on_train_epoch_end", _FineTuner._count)

    def train(self) -> None:
        """Train to the end; an interruption waits for the end of a step, and leaves a checkpoint of it."""
        try:
            super().train()
        except KeyboardInterrupt:
            if self._unsaved:
                self.epoch = self._whole - 1  # one that is not over begins anew, with what was learned in it
                self.save_model()
            raise

    def _count(self) -> None:
        self._whole = self.epoch + 1

    def check_resume(self, overrides: dict[str, Any]) -> None:  # noqa: ARG002 (Ultralytics' signature)
        """Go on with the settings of now, which were compared with the checkpoint's, and may ask for more epochs."""
        self.resume = bool(self._checkpoint)

    def setup_model(self) -> Any:
        """The start network; on resuming, the checkpoint's, and the checkpoint."""
        self.model = _network(self._checkpoint) if self.resume else self._start
        return self._checkpoint or None

    def resume_training(self, ckpt: dict[str, Any] | None) -> None:
        """Go on from the checkpoint; Ultralytics takes none from before the end of the first epoch."""
        if ckpt and not self._whole:
            self._load_checkpoint_state(ckpt)
        else:
            super().resume_training(ckpt)

    def optimizer_step(self) -> None:
        """One step, if there is anything to learn from."""
        if not bool(torch.isfinite(self.loss)):
            raise diverged(f"the loss in epoch {self.epoch + 1} is {self.loss.item()}")
        with undisturbed():
            super().optimizer_step()
            self._unsaved = True

    def save_model(self) -> Any:
        """The checkpoint, whole or not at all.

        And only if it can be gone on from: what is not finite as 16 bits would be mended in silence.
        """
        with undisturbed(), writing(self.last):
            _check_finite(self.ema.ema)
            last, draft = self.last, self.last.with_name(".last.pt.part")
            self.last = draft
            try:
                saved = super().save_model()
                draft.replace(last)
            finally:
                self.last = last
                draft.unlink(missing_ok=True)
            self._unsaved = False
            return saved

    def _model_train(self) -> None:
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()  # few images would bend the statistics of many

    def final_eval(self) -> None:
        """Nothing: what is kept is the average with the start, which is measured after."""


def fine_tune(
    data: Sequence[Path],
    out: Path,
    config: FineTuneConfig,
    *,
    model: str = "",
    held_out: Sequence[Path] = (),
    device: str = "cpu",
    resume: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, dict[str, float]]:
    """Fine-tune the detector `model` (empty: the embedded one) on `data`; leaves `detector.safetensors` and its card.

    An interruption takes effect at the end of a step and leaves a checkpoint of it; `way_on` says what there is to do.

    Args:
        data: folders in YOLO's or MOTChallenge's layout with images, and videos; see `detection_data`.
        out: folder for the result, the dataset and the checkpoints.
        held_out: labelled folders to measure on; by default a share of the labelled images in `data`.
        resume: go on from `out`'s dataset and, if a step was done, its checkpoint. An epoch in which it was interrupted
            begins anew, with what had been learned. More epochs than before are taken up as if they had been asked for
            at first: the learning rate is that of the longer training.
        progress: told in words what is going on.

    Returns:
        {"start": scores, "result": scores} on the held-out images: mAP50-95 and mAP50 in percent over all classes, and
        `person` where there is that class.

    Raises:
        DataError: nothing to learn from or to measure on.
        UsageError: the checkpoint was made with other settings, or the training diverges.
        WeightsError: the checkpoint is missing or damaged.
        OutputError: `out` cannot be written, or holds what is an input or was not made by this command.
    """
    start_file = find_weights(model)
    _check_trainable(start_file)
    last, begun = out / "run" / "weights" / "last.pt", out / BEGUN
    if resume and not begun.is_file():
        present(last)
    sources = [*data, *held_out]
    parts = [path / part for path in sources for part in ("images", "labels")]  # which may be links
    claim(out, COMMAND, LEAVES, [*sources, *parts, start_file])
    if resume:
        dataset = Dataset.load(out / "dataset")
    else:
        progress("collecting images and labels")
        dataset = build(data, out / "dataset", start_file, config, device, held_out)
    known = yolo.load(start_file)[1]
    config = config.suited(new_classes=dataset.names != known)
    settings = asdict(config) | {"model": start_file.name}
    settings |= {"data": [path.name for path in data], "val": [path.name for path in held_out]}
    checkpoint: dict[str, Any] = {}
    if resume:
        checkpoint = _checkpoint(last, begun, settings)
    else:
        emptied(out / "run", COMMAND)
        replace_file(begun, json.dumps(settings).encode())
    batches = math.ceil(dataset.train / config.batch)  # in one pass
    if config.steps:
        config = replace(config, epochs=math.ceil(config.steps / batches))
    done = int(checkpoint.get("epoch", -1)) + 1
    if done > config.epochs:
        raise UsageError(
            f"{last} has {done * batches} steps behind it; give that many or more, or start without --resume"
        )
    progress(f"{dataset.train} images to learn from ({dataset.made} labelled by the start), {dataset.val} held out")

    def start() -> Any:
        network, _ = yolo.load(start_file)
        return network if known == dataset.names else yolo.with_classes(network, dataset.names)

    if done < config.epochs:
        with _alone():
            tuner = _FineTuner(
                start(), checkpoint, _overrides(dataset, out, config, device, last if checkpoint else None)
            )
            tuner.add_callback("on_train_batch_end", lambda t: progress(_state(t)))
            tuner.train()
        trained = (tuner.ema.ema if tuner.ema else tuner.model).float().cpu()
    else:  # it was interrupted after the last epoch
        trained = _network(checkpoint)
    result = _averaged(trained, start(), config.mix)
    _check_finite(result)
    weights = out / LEAVES[0]
    notes = {"licence": _LICENCE, "start": start_file.name, "fine-tuning": json.dumps(asdict(config))}
    with writing(weights):
        yolo.save(result, weights, notes)
    progress("measuring on the held-out images")
    scores = {"result": evaluate(weights, dataset.file, config.imgsz, device)}
    if known == dataset.names:
        scores = {"start": evaluate(start_file, dataset.file, config.imgsz, device), **scores}
    _write_card(out / "detector.md", data, start_file, dataset, config, scores)
    return scores


def _check_trainable(start: Path) -> None:
    """
    Raises:
        UsageError: a network that is trained in another way, by its head or because its neck looks at words, too.
    """
    network, _ = yolo.load(start)
    kind, head = type(network).__name__, type(network.model[-1]).__name__
    if kind == "WorldModel" or head in _UNTAUGHT:
        said = "YOLO-World" if kind == "WorldModel" else head
        raise UsageError(f"{start} is a {said} network; only YOLO detectors are fine-tuned, give one's weights")


def way_on(out: Path) -> str:
    """What is left of a training in `out` that was interrupted, in one sentence."""
    if (out / BEGUN).is_file() and (out / "dataset" / "data.yaml").is_file():
        return "stopped; go on with --resume"
    return "stopped before anything was learned, so nothing is lost; start again without --resume"


def _checkpoint(file: Path, begun: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """What a run with these settings, but perhaps fewer epochs, left; empty if that was before its first step."""
    checkpoint = yolo.read_checkpoint(file) if file.is_file() else {}
    try:
        then = dict(json.loads(begun.read_text(encoding="utf-8")))
        if checkpoint:
            int(checkpoint["epoch"])
            _network(checkpoint)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(file) from error
    same_settings(file, then, settings, free=["steps", "epochs"])
    return checkpoint


def _network(checkpoint: dict[str, Any]) -> Any:
    """The averaged network of a checkpoint."""
    return (checkpoint.get("ema") or checkpoint["model"]).float()


def _check_finite(network: Any) -> None:
    """
    Raises:
        UsageError: weights that 16 bits cannot hold.
    """
    if not all(bool(torch.isfinite(value.half()).all()) for value in network.state_dict().values()):
        raise diverged("weights are not finite")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Ultralytics without its progress and tables, its look for fonts and its reports; its warnings stay.

    It looks for a font on its server whenever it reads a dataset, for pictures that are not made here.
    """
    logger, data = yolo.ultralytics("utils").LOGGER, yolo.ultralytics("data.utils")
    events = yolo.ultralytics("utils.events").events
    before = logger.level, data.check_font, events.enabled
    logger.setLevel(logging.WARNING)
    data.check_font, events.enabled = lambda _: None, False
    try:
        yield
    finally:
        logger.setLevel(before[0])
        data.check_font, events.enabled = before[1:]


def _amp(device: str) -> str | bool:
    """16-bit floats where the device has them. bfloat16: for float16 Ultralytics would first download a network."""
    return "bf16" if device != "cpu" and torch.cuda.is_bf16_supported(including_emulation=False) else False


def _overrides(
    dataset: Dataset, out: Path, config: FineTuneConfig, device: str, checkpoint: Path | None
) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "task": "detect",
        "model": str(checkpoint or "start"),
        "data": str(dataset.file),
        "project": str(out.resolve()),
        "name": "run",
        "exist_ok": True,
        "epochs": config.epochs,
        "batch": config.batch,
        "nbs": config.batch,
        "imgsz": config.imgsz,
        "optimizer": "AdamW",
        "lr0": config.learning_rate,
        "lrf": 0.1,
        "warmup_epochs": 0.3,
        "warmup_bias_lr": 0.0,
        "mosaic": 0.0,
        "scale": 0.3,
        "seed": config.seed,
        "device": device.removeprefix("cuda:"),
        "workers": 0,
        "amp": _amp(device),
        "val": False,
        "plots": False,
        "verbose": False,
        "resume": str(checkpoint) if checkpoint else False,
    }
    return settings


def _state(tuner: Any) -> str:
    losses = " ".join(f"{name} {float(value):.3f}" for name, value in tuner.tloss.items())
    return f"epoch {tuner.epoch + 1} of {tuner.epochs}: {losses}"


def _averaged(trained: Any, start: Any, mix: float) -> Any:
    """`trained` with its weights averaged with those of `start`."""
    before = start.state_dict()
    trained.load_state_dict(
        {
            name: torch.lerp(before[name].float(), value.float(), mix) if value.is_floating_point() else value
            for name, value in trained.state_dict().items()
        }
    )
    return trained


def evaluate(weights: Path, data: Path, imgsz: int, device: str = "cpu") -> dict[str, float]:
    """mAP50-95 and mAP50 in percent of a detector on the `val` images of a `data.yaml`, by Ultralytics' validator."""
    network, names = yolo.load(weights)
    network.names = names
    arguments = {
        "task": "detect",
        "data": str(data),
        "imgsz": imgsz,
        "batch": 8,
        "workers": 0,
        "plots": False,
        "verbose": False,
        "device": device.removeprefix("cuda:"),
        "project": str(data.parent),
        "name": "validation",
        "exist_ok": True,
    }
    with _alone():
        validator = _engine.DetectionValidator(args=arguments)
        validator(model=network.fuse(verbose=False))
    box = validator.metrics.box
    scores = {"mAP50-95": 100 * float(box.map), "mAP50": 100 * float(box.map50)}
    by_class = {names[int(number)]: 100 * float(box.maps[int(number)]) for number in box.ap_class_index}
    return scores | {"person": by_class["person"]} if "person" in by_class else scores


def _write_card(
    path: Path,
    data: Sequence[Path],
    start: Path,
    dataset: Dataset,
    config: FineTuneConfig,
    scores: dict[str, dict[str, float]],
) -> None:
    names, rate = " ".join(item.name for item in data), config.learning_rate
    lines = [
        "# Detector",
        "",
        f"{start.name}, fine-tuned with `track train detector {names}`. Licence: {_LICENCE}, as the start's.",
        "",
        f"- Data: {dataset.train} training images, {dataset.made} of them labelled by the start itself (where two",
        f"  sizes, the mirror image and neighbouring frames agree); {dataset.val} labelled images held out.",
        f"- Settings: {config.epochs} epochs in batches of {config.batch} at {config.imgsz} px, AdamW {rate:g},",
        f"  batch normalisation frozen, result {config.mix:g} trained + {1 - config.mix:g} start, seed {config.seed}.",
        "",
        "| held-out images | " + " | ".join(scores["result"]) + " |",
        "| --- |" + " --- |" * len(scores["result"]),
        *(f"| {name} | " + " | ".join(f"{v:.2f}" for v in values.values()) + " |" for name, values in scores.items()),
    ]
    replace_file(path, ("\n".join(lines) + "\n").encode())
