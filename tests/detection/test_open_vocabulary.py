"""YOLO-World and YOLOE, from Ultralytics' own descriptions with random weights. The yardstick is its own `predict`."""

import hashlib
import sys
import warnings
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import ultralytics
from torch.nn.functional import normalize

from tracker import Tracker
from tracker.config import Config, DetectorConfig
from tracker.detection import yolo
from tracker.detection.detector import EMBEDDED, YoloDetector
from tracker.detection.downloads import published
from tracker.detection.open_vocabulary import text_encoder
from tracker.detection.yolo_weights import text_encoder as encoder_of
from tracker.errors import MissingExtraError, UsageError, WeightsError
from tracker.train.detector.fine_tune import FineTuneConfig, fine_tune

TEXTS = ["forklift", "pallet", "person"]


@pytest.fixture(scope="module")
def zidane():
    return cv2.imread(str(Path(ultralytics.__file__).parent / "assets" / "zidane.jpg"))


def random_network(description, texts=TEXTS, seed=0):
    """Of weights that let signals through, which believe in something; its vocabulary is set where there is one."""
    torch.manual_seed(seed)
    kind = ultralytics.YOLOWorld if "world" in description else ultralytics.YOLOE
    model = kind(f"{description}.yaml")
    network = model.model.eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.8, 1.6)
            module.running_mean.uniform_(-0.1, 0.1)
    head = network.model[-1]
    for contrast in [*head.cv4, *(getattr(head, "one2one_cv4", None) or [])]:
        contrast.bias.data.fill_(-1)
        contrast.logit_scale.data.fill_(0 if hasattr(contrast, "norm") else 2)
    for branch in [*getattr(head, "cv5", []), *(getattr(head, "one2one_cv5", None) or [])]:
        branch[-1].bias.data.fill_(-0.5 if "26" in description else 0.5)  # masks that are not empty: those it drops
    embeddings = normalize(torch.randn(1, len(texts), 512), dim=-1)
    if "world" in description:
        network.txt_feats, network.names, head.nc = embeddings, list(texts), len(texts)
    elif texts:
        torch.nn.init.normal_(head.reprta.m.w3.weight, std=0.02)
        network.set_classes(list(texts), embeddings)
    return model


def saved(model, path):
    torch.save({"model": model.model}, path)
    return path


def agrees(path, frame):
    """What Ultralytics finds with these weights is found: box within 0.1 px, score within 1e-4, class, mask or none.

    But for one of 20: of boxes that overlap by just the limit either may be taken.
    """
    kind = ultralytics.YOLOWorld if "world" in path.name else ultralytics.YOLOE
    options = {"conf": 0.1, "imgsz": 128, "iou": 0.95, "max_det": 50}
    (theirs,) = kind(str(path)).predict(frame, verbose=False, save=False, retina_masks=True, **options)
    options["max_detections"] = options.pop("max_det")
    (found,) = YoloDetector(DetectorConfig(str(path), **options))([frame])
    boxes = theirs.boxes.numpy()
    near = np.abs(found.xyxy - boxes.xyxy[:, None]).max(axis=2) < 0.1
    near &= (np.abs(found.scores - boxes.conf[:, None]) < 1e-4) & (found.classes == boxes.cls[:, None])
    assert len(boxes) >= 2 and near.any(axis=1).mean() >= 0.95
    assert {found.names[i] for i in set(found.classes)} <= set(theirs.names.values())
    if theirs.masks is not None:
        own, other = found.masks.dense()[near.argmax(axis=1)], theirs.masks.data.numpy() > 0
        alike = (own & other).sum((1, 2)) / (own | other).sum((1, 2))
        assert np.median(alike) > 0.9
    return found


class TestWeightsWithTheirVocabularySet:
    @pytest.mark.parametrize(
        "description", ["yolov8n-world", "yolov8n-worldv2", "yoloe-v8n", "yoloe-11n-seg", "yoloe-26n-seg"]
    )
    def test_find_what_ultralytics_finds(self, description, zidane, tmp_path):
        found = agrees(saved(random_network(description), tmp_path / f"{description}.pt"), zidane)
        assert found.names == dict(enumerate(TEXTS)) and (found.masks is not None) == description.endswith("seg")

    def test_so_do_those_of_a_training_which_cannot_be_told_anything_else(self, zidane, tmp_path):
        model = random_network("yoloe-11n-seg")
        model.model.model[-1].fuse(model.model.pe)
        path = saved(model, tmp_path / "trained.pt")
        agrees(path, zidane)
        with pytest.raises(UsageError, match=r"vocabulary of .*trained\.pt is part of its network .* --classes"):
            YoloDetector(DetectorConfig(str(path), prompt=("pallet",)))

    @pytest.mark.parametrize("description", ["yoloe-11n-seg", "yoloe-26n-seg"])
    def test_and_those_that_ask_first_whether_anything_is_there(self, description, zidane, tmp_path):
        """Weights that are published as -pf, with thousands of names."""
        model, source = random_network(description, ["object"]), random_network(description, [*"abcd"], seed=1)
        for each in (model, source):
            each.model.model[-1].fuse(each.model.pe)
        own, other = (
            getattr(head, f"{'one2one_' * head.end2end}cv3") for head in (model.model.model[-1], source.model.model[-1])
        )
        for branch in own:
            branch[-1].bias.data.fill_(-6.5)  # near the threshold
        model.model.args = {"imgsz": 64}
        model.model.set_vocab(torch.nn.ModuleList(branch[-1] for branch in other), dict(enumerate("abcd")))
        found = agrees(saved(model, tmp_path / "free.pt"), zidane)
        assert found.names == dict(enumerate("abcd"))

    def test_those_that_come_without_names_know_coco(self, tmp_path):
        """As YOLO-World's are published."""
        model = random_network("yolov8n-worldv2", [*map(str, range(80))])
        del model.model.names
        names = YoloDetector(DetectorConfig(str(saved(model, tmp_path / "world.pt")))).names
        assert len(names) == 80 and (names[0], names[79]) == ("person", "toothbrush")

    def test_their_names_travel_to_the_tracks(self, zidane, tmp_path):
        path = saved(random_network("yolov8n-worldv2"), tmp_path / "world.pt")
        settings = {"model": str(path), "imgsz": 64, "prompt": ["pallet", "forklift"]}
        tracker = Tracker(Config().override({"detector": settings, "appearance": {"enabled": False}, "device": "cpu"}))
        assert tracker.update(zidane).names == {0: "pallet", 1: "forklift"}

    def test_of_yoloe_become_ordinary_weights(self, zidane, tmp_path):
        path = saved(random_network("yoloe-11n-seg"), tmp_path / "e.pt")
        network, names = yolo.load(path)
        yolo.save(network, tmp_path / "e.safetensors", {})
        again, known = yolo.load(tmp_path / "e.safetensors")
        assert known == names == dict(enumerate(TEXTS))
        assert type(again.model[-1]).__name__ == "Segment" and type(again).__name__ == "DetectionModel"
        (a,), (b,) = (
            YoloDetector(DetectorConfig(str(tmp_path / name), imgsz=64))([zidane]) for name in ("e.pt", "e.safetensors")
        )
        assert abs(len(a) - len(b)) < 3 and np.abs(a.scores[:5] - b.scores[:5]).max() < 0.01  # written in 16 bits

    def test_of_yolo_world_are_not_trained_here_and_that_is_said_at_once(self, tmp_path):
        path = saved(random_network("yolov8n-worldv2"), tmp_path / "world.pt")
        with pytest.raises(UsageError, match=r"world\.pt is a YOLO-World network"):
            fine_tune([tmp_path], tmp_path / "out", FineTuneConfig(), model=str(path))
        assert not (tmp_path / "out").exists()

    def test_that_were_never_set_say_what_to_give(self, tmp_path):
        path = saved(random_network("yoloe-11n", []), tmp_path / "e.pt")
        with pytest.raises(WeightsError, match=r"e\.pt finds what it is told in words.*--prompt"):
            YoloDetector(DetectorConfig(str(path)))

    @pytest.mark.parametrize(
        "wrong",
        [torch.full((1, 3, 512), torch.nan), torch.zeros(1, 2, 512), torch.zeros(1).expand(1, 1 << 30, 512), "x"],
    )
    def test_that_lie_are_one_sentence(self, tmp_path, wrong):
        model = random_network("yolov8n-worldv2")
        model.model.txt_feats = wrong
        with pytest.raises(WeightsError, match=r"world\.pt"):
            YoloDetector(DetectorConfig(str(saved(model, tmp_path / "world.pt"))))


class TestAPrompt:
    @pytest.mark.parametrize("description", ["yolov8n-world", "yoloe-v8n"])
    def test_of_words_that_the_weights_know_needs_nothing_else(self, description, zidane, tmp_path):
        """The same as if these had been set with Ultralytics."""
        model = random_network(description)
        path = saved(model, tmp_path / "all.pt")
        assert encoder_of(path, TEXTS[:2]) is None
        network = model.model
        if "world" in description:
            network.txt_feats, network.names = network.txt_feats[:, [2, 0]], ["person", "forklift"]
            network.model[-1].nc = 2
        else:
            network.set_classes(["person", "forklift"], network.pe[:, [2, 0]])
        saved(model, tmp_path / "two.pt")
        config = DetectorConfig(str(path), imgsz=64, prompt=("person", "forklift", "person"))
        (found,), (expected,) = (
            YoloDetector(each)([zidane]) for each in (config, DetectorConfig(str(tmp_path / "two.pt"), imgsz=64))
        )
        assert found.names == {0: "person", 1: "forklift"} == expected.names
        assert (
            len(found) and np.array_equal(found.xyxy, expected.xyxy) and np.array_equal(found.scores, expected.scores)
        )

    def test_says_which_encoder_is_missing_and_where_it_comes_from(self, tmp_path):
        path = saved(random_network("yolov8n-worldv2"), tmp_path / "world.pt")
        assert encoder_of(path, ["fish"]) == tmp_path / "ViT-B-32.pt"
        with pytest.raises(WeightsError) as refused:
            YoloDetector(DetectorConfig(str(path), prompt=("fish",)))
        assert str(refused.value) == (
            f"words are encoded for {path} by ViT-B-32.pt (354 MB), which is not beside it, and nothing is downloaded "
            f"unasked; get it from {published.published('ViT-B-32.pt').url}, or give --download"
        )

    def test_is_not_given_to_a_program_that_nobody_vouches_for(self, tmp_path):
        for network, encoder in (("yoloe-26n", "mobileclip2_b.ts"), ("yoloe-11n", "mobileclip_blt.ts")):
            path = saved(random_network(network), tmp_path / "e.pt")
            (tmp_path / encoder).write_bytes(b"anything")
            with pytest.raises(WeightsError, match=rf"{encoder} is not the file that was published, and a program"):
                YoloDetector(DetectorConfig(str(path), prompt=("fish",)))

    def test_brings_no_encoder_for_a_vocabulary_that_cannot_be_changed_any_more(self, tmp_path):
        assert encoder_of(saved(random_network("yoloe-26n"), tmp_path / "e.pt"), ["fish"]) is not None
        model = random_network("yoloe-26n")
        model.model.model[-1].is_fused = True
        assert encoder_of(saved(model, tmp_path / "e.pt"), ["fish"]) is None

    def test_is_refused_by_networks_that_take_none(self):
        with pytest.raises(UsageError, match=r"takes no words; give weights that do \(--model yoloe-11s-seg\.pt\)"):
            YoloDetector(DetectorConfig(str(EMBEDDED), prompt=("fish",)))

    def test_names_the_extra_where_it_is_missing(self, tmp_path, monkeypatch):
        path = saved(random_network("yolov8n-worldv2"), tmp_path / "world.pt")
        (tmp_path / "ViT-B-32.pt").write_bytes(b"clip")
        monkeypatch.setitem(published._SHA256, "ViT-B-32.pt", hashlib.sha256(b"clip").hexdigest())
        monkeypatch.setitem(sys.modules, "open_clip", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'lstm-tracker\[prompt\]'"):
            YoloDetector(DetectorConfig(str(path), prompt=("fish",)))


@pytest.fixture(scope="module")
def clip():
    open_clip = pytest.importorskip("open_clip", reason="the extra [prompt] is not installed")
    torch.manual_seed(3)
    vision = {"layers": 1, "width": 64, "patch_size": 32, "image_size": 32, "head_width": 64}
    text = {"width": 64, "heads": 1, "layers": 1}
    return open_clip.model.CLIP(512, vision, text, quick_gelu=True).eval(), open_clip.tokenize(["fish", "a red van"])


class TestWithAnEncoder:
    """Small ones with random weights in the published files' formats: plumbing, not meaning."""

    def test_yolo_world_looks_for_what_it_says(self, clip, zidane, tmp_path, monkeypatch):
        network, tokens = clip
        torch.save({name: value.clone() for name, value in network.state_dict().items()}, tmp_path / "ViT-B-32.pt")
        digest = hashlib.sha256((tmp_path / "ViT-B-32.pt").read_bytes()).hexdigest()
        monkeypatch.setitem(published._SHA256, "ViT-B-32.pt", digest)
        model = random_network("yolov8n-worldv2")
        path = saved(model, tmp_path / "world.pt")
        with torch.no_grad():
            model.model.txt_feats = normalize(network.encode_text(tokens), dim=-1)[None]
        model.model.names, model.model.model[-1].nc = ["fish", "a red van"], 2
        self.same(path, saved(model, tmp_path / "set.pt"), zidane)

    @pytest.mark.parametrize(("name", "file"), [("26n", "mobileclip2_b.ts"), ("11n", "mobileclip_blt.ts")])
    def test_so_does_yoloe(self, clip, zidane, tmp_path, monkeypatch, name, file):
        class Text(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.table = torch.nn.EmbeddingBag(49408, 512)

            def forward(self, tokens):
                return torch.nn.functional.normalize(self.table(tokens), dim=-1)

        _, tokens = clip
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated, but this is how the published ones are
            encoder = torch.jit.trace(Text().eval(), tokens, check_trace=False)
            torch.jit.save(encoder, tmp_path / file)
        digest = hashlib.sha256((tmp_path / file).read_bytes()).hexdigest()
        monkeypatch.setitem(published._SHA256, file, digest)
        model = random_network(f"yoloe-{name}")
        path = saved(model, tmp_path / "e.pt")
        with torch.no_grad():
            own = deepcopy(model.model.model[-1])
            model.model.set_classes(["fish", "a red van"], own.get_tpe(encoder(tokens)[None]))
        self.same(path, saved(model, tmp_path / "set.pt"), zidane)

    def same(self, path, as_set, frame):
        prompted = YoloDetector(DetectorConfig(str(path), imgsz=64, prompt=("fish", "a red van")))
        (found,), (expected,) = prompted([frame]), YoloDetector(DetectorConfig(str(as_set), imgsz=64))([frame])
        assert prompted.names == {0: "fish", 1: "a red van"}
        assert len(found) == len(expected) > 0 and np.allclose(found.scores, expected.scores, atol=1e-5)


def test_every_text_encoder_of_ultralytics_is_known():
    import inspect

    build = inspect.getsource(yolo.ultralytics("nn.tasks").WorldModel.get_text_pe)
    assert f'"{text_encoder.CLIP}"' in build
    assert set(text_encoder.ENCODERS) == {text_encoder.CLIP, "mobileclip:blt", "mobileclip2:b"}
