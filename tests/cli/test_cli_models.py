"""Detectors by name: what they know, where they come from, and that nothing comes unasked."""

import json
import socket
from pathlib import Path

import pytest

from helpers.clips import pan
from helpers.commands import ended
from helpers.file_site import file_site
from tracker.detection import yolo
from tracker.detection.detector import EMBEDDED
from tracker.detection.downloads import published

NAMED = {0: "forklift", 1: "pallet"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The bytes of a real .pt file, with two classes."""
    import torch

    path = tmp_path_factory.mktemp("weights") / "two.pt"
    torch.save({"model": yolo.with_classes(yolo.load(EMBEDDED)[0], NAMED)}, path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return str(pan(tmp_path_factory.mktemp("clip") / "pan.mp4", 2))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestInfo:
    def test_lists_them_for_people_and_for_programs(self, here, checkpoint, capfd):
        from tracker.cli import main

        Path("two.pt").write_bytes(checkpoint)
        for words in (["info", "two.pt"], ["info", "two.pt", "--json"]):
            with pytest.raises(SystemExit) as left:
                main(words)
            assert left.value.code == 0
        shown, _, as_json = capfd.readouterr().out.partition("{")
        assert shown.splitlines() == ["two.pt: 2 classes", "   0 forklift", "   1 pallet"]
        assert json.loads("{" + as_json) == {"file": "two.pt", "classes": {"0": "forklift", "1": "pallet"}}

    def test_lists_those_of_the_embedded_detector_beside_its_card(self, capfd):
        from tracker.cli import main

        with pytest.raises(SystemExit):
            main(["info", "--json"])
        classes = json.loads(capfd.readouterr().out)["weights"]["detector"]["classes"]
        assert len(classes) == 80 and classes[:3] == ["person", "bicycle", "car"]

    @pytest.mark.parametrize("option", ["--prompt=forklift", "--download"])
    def test_does_not_pass_over_what_is_for_a_model(self, capsys, option):
        code, said = ended(["info", option], capsys)
        assert code == 2
        name = option.partition("=")[0]
        assert said.startswith(f"error: {name} is for a MODEL, and none is given; name its weights: track info ")


class TestAnUnknownClass:
    def test_is_no_slip_for_something_else(self, here, clip, capsys):
        code, said = ended([clip, "--classes", "fish"], capsys)
        assert code == 2 and "frisbee" not in said
        assert "no class 'fish'; track info lists the 80 it knows; for others give a network that knows them" in said
        assert "(--model yoloe-11s-seg.pt --prompt 'fish')" in said

    def test_has_the_way_on_beside_what_it_may_be_a_slip_for(self, here, clip, capsys):
        """A forklift is no fork."""
        code, said = ended([clip, "--classes", "forklift"], capsys)
        assert code == 2 and "no class 'forklift'; did you mean 'fork'? If not: track info lists the 80 it" in said
        assert "--prompt 'forklift'" in said

    def test_names_the_list_where_it_is_short(self, here, checkpoint, clip, capsys):
        Path("two.pt").write_bytes(checkpoint)
        code, said = ended([clip, "--model", "two.pt", "--classes", "lorry"], capsys)
        assert code == 2
        assert "no class 'lorry'; it knows forklift, pallet; for others give a network that knows them" in said


class TestWeightsThatAreNotThere:
    @pytest.fixture
    def site(self, checkpoint, monkeypatch):
        with file_site({"yolo26n.pt": checkpoint, "yolo11n.pt": checkpoint}) as (address, asked):
            monkeypatch.setattr(published, "_RELEASE", address)
            yield asked

    def test_the_sentence_says_where_they_come_from_and_nothing_is_asked_for(self, here, site, monkeypatch, capsys):
        monkeypatch.setattr(socket, "getaddrinfo", lambda *where, **_: pytest.fail(f"looked up {where}"))
        code, said = ended(["info", "some/yolo26n.pt"], capsys)
        assert code == 1
        assert "no detector weights at 'some/yolo26n.pt', and nothing is downloaded unasked; get them from" in said
        assert f"{published._RELEASE}yolo26n.pt, or give --download" in said
        assert not site and not any(here.iterdir())

    def test_download_puts_them_where_they_are_looked_for(self, here, site, capsys):
        assert ended(["info", "some/yolo26n.pt", "--download", "--quiet"], capsys) == (0, "")
        assert [str(path) for path in Path().rglob("*.pt")] == ["some/yolo26n.pt"]
        assert ended(["info", "some/yolo26n.pt", "--download", "--quiet"], capsys) == (0, "")  # what is there stays
        assert site == ["/yolo26n.pt"]

    def test_a_file_of_another_hash_than_is_known_is_not_kept(self, here, site, capsys):
        code, said = ended(["info", "yolo11n.pt", "--download"], capsys)
        assert code == 1 and "is not the file that was published there (sha256 " in said
        assert not any(here.iterdir())

    def test_what_nobody_publishes_is_not_asked_for(self, here, site, capsys):
        code, said = ended(["info", "fish.pt", "--download"], capsys)
        assert code == 1
        assert "no detector weights at 'fish.pt', and no maker that is known publishes a file of this name, so" in said
        assert not site

    def test_the_real_address_is_ultralytics_release(self):
        from inspect import signature

        downloads = yolo.ultralytics("utils.downloads")
        release = signature(downloads.attempt_download_asset).parameters["release"].default
        assert f"https://github.com/{downloads.GITHUB_ASSETS_REPO}/releases/download/{release}/" == published._RELEASE
        assert set(published._SHA256) - downloads.GITHUB_ASSETS_NAMES == {"ViT-B-32.pt"}


def test_a_prompt_brings_the_encoder_beside_the_weights(here, monkeypatch, capsys):
    """It is not one; that is another's test."""
    import torch

    network = yolo.ultralytics("nn.tasks").WorldModel("yolov8n-worldv2.yaml", nc=2, verbose=False)
    network.names = ["forklift", "pallet"]
    Path("some").mkdir()
    torch.save({"model": network}, "some/world.pt")
    words = ["info", "some/world.pt", "--download", "--prompt"]
    with file_site({"ViT-B-32.pt": b"anything"}) as (address, asked):
        source = published.Published(f"{address}ViT-B-32.pt")
        monkeypatch.setattr(published, "published", lambda name: source if name == "ViT-B-32.pt" else None)
        assert ended([*words, "pallet"], capsys) == (0, "")
        assert not asked
        code, said = ended([*words, "pallet,fish"], capsys)
    assert asked == ["/ViT-B-32.pt"] and Path("some/ViT-B-32.pt").read_bytes() == b"anything"
    assert code == 1 and "ViT-B-32.pt is not the file that was published, and a program, so it is not run" in said


@pytest.mark.parametrize("name", ["a.onnx", "rf-detr-nano.pt", "a.pth"])
def test_a_prompt_to_what_takes_none_is_refused_with_download_as_it_is_without(here, name, capsys):
    """Nothing is asked what encodes the words; not even whether a file that no network is read from is one."""
    Path(name).write_bytes(b"no network")
    refused = ended(["info", name, "--prompt", "fish"], capsys)
    assert refused[0] == 2 and "leave --prompt out" in refused[1]
    assert ended(["info", name, "--prompt", "fish", "--download"], capsys) == refused


@pytest.mark.parametrize("more", [[], ["--download"]])
def test_an_address_is_no_file_and_what_is_secret_in_it_is_not_shown(here, more, capsys):
    code, said = ended(["info", "https://me:secret@127.0.0.1:9/w/yolo26n.pt?key=secret", *more], capsys)
    assert code == 1 and "given as an address; give a file, or a name that is published: --model yolo26n.pt" in said
    assert "secret" not in said and not any(here.iterdir())
