"""Teaching the appearance network: crops, their variations, distillation, calibration."""

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from helpers.commands import ended
from tracker.appearance.embedder import Embedder
from tracker.appearance.similarity import Calibration, same_identity_probability
from tracker.appearance.weights import load_weights
from tracker.cli import main
from tracker.config import AppearanceConfig
from tracker.datasets.mot import MotSequence
from tracker.errors import DataError, OutputError, UsageError, WeightsError
from tracker.evaluation.reid import Embeddings
from tracker.train.appearance.calibration import fit, pairs
from tracker.train.appearance.crops import Crop, Variations, collect
from tracker.train.appearance.distillation import Distillation
from tracker.train.appearance.identities import (
    Identity,
    MetricLearning,
    collect_identities,
    hardest_triplets,
    set_aside,
)
from tracker.train.appearance.joint import Joint
from tracker.train.appearance.loop import calibrate, neighbours, train
from tracker.train.appearance.settings import TrainConfig
from tracker.train.checkpoint import read

SHORT = TrainConfig(steps=4, batch=4, height=64, checkpoint_every=2)


def picture(seed: int, size: tuple[int, int] = (120, 60)) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (8, 4, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC))


@pytest.fixture
def crops() -> list[Crop]:
    return [Crop(picture(seed), person=seed % 2 == 0) for seed in range(40)]


@pytest.fixture
def yolo_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    for part in ("images/train", "labels/train"):
        (folder / part).mkdir(parents=True)
    for number in range(3):
        cv2.imwrite(str(folder / f"images/train/{number}.png"), picture(number, (100, 200)))
        (folder / f"labels/train/{number}.txt").write_text(
            "0 0.25 0.5 0.3 0.8\n7 0.75 0.5 0.3 0.8\n0 0.5 0.5 0.01 0.01\n"
        )
    return folder


# Crops


def test_labelled_images_give_a_crop_for_each_box_that_is_big_enough(yolo_folder: Path) -> None:
    found = collect([yolo_folder])
    assert [crop.person for crop in found] == [True, False] * 3
    assert found[0].image.shape == (104, 78, 3)  # 80 x 60 pixels with 15 % on each side


def test_a_box_at_the_edge_keeps_its_place_in_its_crop(tmp_path: Path, yolo_folder: Path) -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[:, :40] = 255
    cv2.imwrite(str(yolo_folder / "images/train/0.png"), image)
    (yolo_folder / "labels/train/0.txt").write_text("0 0.1 0.5 0.2 1.0\n")  # the white part
    crop = collect([yolo_folder])[0].image
    inside = crop[:, : round(crop.shape[1] * 1.15 / 1.3)]
    assert (inside > 250).all() and (crop[:, -4:] < 5).all()


def test_a_sequence_gives_crops_of_its_ground_truth_once_a_second(tmp_path: Path) -> None:
    for part in ("img1", "gt"):
        (tmp_path / part).mkdir()
    for frame in range(1, 21):
        cv2.imwrite(str(tmp_path / f"img1/{frame:06d}.png"), picture(frame, (100, 100)))
    (tmp_path / "gt/gt.txt").write_text("".join(f"{frame},1,10,10,30,60,1,1,1\n" for frame in range(1, 21)))
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nseqLength=20\nframeRate=10\n")
    assert [crop.person for crop in collect([tmp_path])] == [True, True]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "no sequence"),
        (lambda path: [(path / part).mkdir(parents=True) for part in ("images", "labels")], "gave no crop"),
    ],
    ids=["missing", "empty folder", "no labels"],
)
def test_useless_data_is_named(make: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    make(tmp_path / "data")
    with pytest.raises(DataError, match=message):
        collect([tmp_path / "data"])


# Variations


def test_variations_repeat_with_their_seed_and_only_with_it(crops: list[Crop]) -> None:
    def views(seed: int) -> np.ndarray:
        variations = Variations(crops, np.random.default_rng(seed))
        return np.stack([variations.view(variations.identity(), (128, 64), degraded=True) for _ in range(8)])

    np.testing.assert_array_equal(views(1), views(1))
    assert not np.array_equal(views(1), views(2))


def test_degradation_changes_a_view_more_than_the_jitter_of_a_box(crops: list[Crop]) -> None:
    variations = Variations(crops, np.random.default_rng(0))
    far = {True: 0.0, False: 0.0}
    for _ in range(30):
        identity = variations.identity()
        for degraded in far:
            a, b = (variations.view(identity, (128, 64), degraded).astype(float) for _ in range(2))
            far[degraded] += np.abs(a - b).mean()
    assert 0 < far[False] < 0.5 * far[True]


def test_either_people_or_things_alone_will_do(crops: list[Crop]) -> None:
    for person in (True, False):
        some = [crop for crop in crops if crop.person == person]
        assert Variations(some, np.random.default_rng(0)).identity().shape == (333, 166, 3)


# Distillation


@pytest.mark.slow
def test_a_damaged_student_comes_back_to_its_teacher(crops: list[Crop], tmp_path: Path) -> None:
    torch.manual_seed(0)
    teacher = load_weights()
    state = {name: value.clone() for name, value in teacher.state.items()}
    state["fc.0.weight"] += torch.randn_like(state["fc.0.weight"]) * state["fc.0.weight"].std()
    replace(teacher, state=state).write(tmp_path / "student.safetensors")
    cosine: list[float] = []
    config = TrainConfig(steps=50, batch=16, height=64, learning_rate=5e-3)
    task = Distillation(crops, "", config, start=tmp_path / "student.safetensors")
    train(task, tmp_path / "out", config, progress=lambda step, losses: cosine.append(losses["cosine"]))
    assert len(cosine) == 50
    assert np.mean(cosine[-5:]) < 0.85 * np.mean(cosine[:5])


def test_the_result_is_ready_for_use(crops: list[Crop], tmp_path: Path) -> None:
    train(Distillation(crops, "", SHORT), tmp_path, SHORT)
    embedder = Embedder(AppearanceConfig(model=str(tmp_path / "appearance.safetensors")))
    assert embedder.crop_size == (64, 32)
    assert embedder(picture(1), [[0, 0, 50, 100]]).shape == (1, 512)


def test_a_resumed_training_ends_where_an_uninterrupted_one_does(crops: list[Crop], tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(step: int, losses: dict[str, float]) -> None:
        if step == 3:
            raise Interrupted

    whole = train(Distillation(crops, "", SHORT), tmp_path / "whole", SHORT)
    with pytest.raises(Interrupted):
        train(Distillation(crops, "", SHORT), tmp_path / "parts", SHORT, progress=interrupt)
    parts = train(Distillation(crops, "", SHORT), tmp_path / "parts", SHORT, resume=True)
    for name, value in whole.state.items():
        torch.testing.assert_close(parts.state[name], value, rtol=0, atol=1e-5)
    assert (tmp_path / "whole" / "curves.csv").read_text() == (tmp_path / "parts" / "curves.csv").read_text()


def test_a_checkpoint_of_other_settings_or_none_is_refused(crops: list[Crop], tmp_path: Path) -> None:
    task = Distillation(crops, "", SHORT)
    with pytest.raises(WeightsError, match=r"no checkpoint at .* to go on from; start without --resume"):
        train(task, tmp_path / "none", SHORT, resume=True)
    assert not (tmp_path / "none").exists()
    train(task, tmp_path, SHORT)
    with pytest.raises(UsageError, match=r"other settings \(batch 4 then, 6 now, seed 0 then, 1 now\)"):
        train(task, tmp_path, replace(SHORT, seed=1, batch=6), resume=True)
    with pytest.raises(UsageError, match="4 steps behind it"):
        train(task, tmp_path, replace(SHORT, steps=3), resume=True)
    whole = (tmp_path / "checkpoint.pt").read_bytes()
    for content in (b"damaged", b"", whole[: len(whole) // 2]):
        (tmp_path / "checkpoint.pt").write_bytes(content)
        with pytest.raises(WeightsError, match="not a checkpoint"):
            train(task, tmp_path, SHORT, resume=True)


def test_ctrl_c_leaves_a_checkpoint_whenever_a_step_was_done(crops: list[Crop], tmp_path: Path) -> None:
    def interrupt(step: int, _: dict[str, float]) -> None:
        if step == 1:
            signal.raise_signal(signal.SIGINT)

    whole = train(Distillation(crops, "", SHORT), tmp_path / "whole", SHORT)
    with pytest.raises(KeyboardInterrupt):
        train(Distillation(crops, "", SHORT), tmp_path / "parts", SHORT, progress=interrupt)
    steps: list[int] = []
    task = Distillation(crops, "", SHORT)
    parts = train(task, tmp_path / "parts", SHORT, resume=True, progress=lambda step, _: steps.append(step))
    assert steps == [2, 3, 4]
    assert (tmp_path / "parts/curves.csv").read_text() == (tmp_path / "whole/curves.csv").read_text()
    for name, value in whole.state.items():
        assert torch.equal(value, parts.state[name]), name


def test_a_hang_up_ends_the_command_as_ctrl_c_does(
    yolo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Amid the first step, which is done to its end."""
    load_weights().write(tmp_path / "teacher.safetensors")
    words = ["train", "appearance", str(yolo_folder), "--teacher", str(tmp_path / "teacher.safetensors")]
    words += ["--steps", "3", "--batch", "2", "--height", "64", "--device", "cpu", "--out", str(tmp_path / "out")]

    def interrupted(task: Distillation, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        signal.raise_signal(signal.SIGHUP)
        return whole(task, rng)

    whole = Distillation.losses
    with monkeypatch.context() as patch:
        patch.setattr(Distillation, "losses", interrupted)
        code, said = ended(words, capsys)
    assert code == 129 and "stopped after step 1; go on with --resume" in said
    assert read(tmp_path / "out" / "checkpoint.pt")["step"] == 1
    assert ended([*words, "--resume"], capsys)[0] == 0
    assert (tmp_path / "out" / "appearance.safetensors").exists()


def test_more_steps_go_on_at_the_rate_of_the_longer_training(crops: list[Crop], tmp_path: Path) -> None:
    train(Distillation(crops, "", SHORT), tmp_path, SHORT)
    before = load_weights(tmp_path / "appearance.safetensors").state
    after = train(Distillation(crops, "", SHORT), tmp_path, replace(SHORT, steps=6), resume=True).state
    curves = (tmp_path / "curves.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in curves] == ["step", "2", "4", "6"]
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_training_that_diverges_ends_with_a_sentence_and_keeps_what_was_good(
    crops: list[Crop], tmp_path: Path
) -> None:
    train(Distillation(crops, "", SHORT), tmp_path, SHORT)
    kept = [(tmp_path / name).read_bytes() for name in ("appearance.safetensors", "checkpoint.pt")]
    spoiled = Distillation(crops, "", SHORT)
    next(spoiled.network.parameters()).data.fill_(float("nan"))
    with pytest.raises(UsageError, match=r"diverged.*lower --learning-rate"):
        train(spoiled, tmp_path, SHORT)
    assert kept == [(tmp_path / name).read_bytes() for name in ("appearance.safetensors", "checkpoint.pt")]


def test_the_share_that_is_only_looked_at_can_be_chosen_and_some_are_learned_from(crops: list[Crop]) -> None:
    shares = [(0.0, 2), (0.25, 10), (0.9, 36)]
    assert [len(crops) - len(Distillation(crops, "", replace(SHORT, hold_out=s))._seen) for s, _ in shares] == [
        count for _, count in shares
    ]
    assert len(Distillation(crops[:4], "", replace(SHORT, hold_out=0.9))._seen) == 1
    assert [set_aside(count, 0.0) for count in (3, 4, 100)] == [0, 2, 10]
    assert [set_aside(count, 0.9) for count in (3, 4, 100)] == [0, 2, 90]


def test_hold_out_takes_a_share_and_nothing_else(
    yolo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in (
        (["0.95"], "--hold-out: hold_out is 0.95; give a number from 0 to 0.9"),
        (["0.1", "--hold-out", "0.2"], "--hold-out is given the shares 0.1 and 0.2; give one"),
        (["people"], "--hold-out people is no share; give one, such as 0.1"),
    ):
        with pytest.raises(SystemExit) as left:
            main(["train", "appearance", str(yolo_folder), "--out", str(tmp_path / "out"), "--hold-out", *words])
        assert left.value.code == 2 and capsys.readouterr().err == f"error: {said}\n"


def test_too_few_crops_are_said(crops: list[Crop]) -> None:
    with pytest.raises(DataError, match="3 crops are too few"):
        Distillation(crops[:3], "", SHORT)


def test_what_was_not_made_here_is_not_replaced(
    crops: list[Crop], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "curves.csv").write_text("theirs")
    with pytest.raises(OutputError, match=r"curves\.csv was not made by track train appearance"):
        train(Distillation(crops, "", SHORT), tmp_path, SHORT)
    teacher = tmp_path / "other" / "appearance.safetensors"
    load_weights().write(teacher)
    with pytest.raises(SystemExit) as left:
        main(["train", "appearance", str(tmp_path), "--out", str(teacher.parent), "--teacher", str(teacher)])
    assert left.value.code == 1 and "is the input" in capsys.readouterr().err
    assert [file.name for file in teacher.parent.iterdir()] == ["appearance.safetensors"]


def run(*words: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "appearance", *map(str, words)])
    assert ended.value.code == 0


def test_the_command_leaves_weights_card_and_curves(
    yolo_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    yolo_folder = yolo_folder.rename(tmp_path / "dataset [bold] :car:")  # markup, if one lets it
    load_weights().write(tmp_path / "teacher.safetensors")
    options = ("--steps", 2, "--batch", 2, "--height", 64, "--device", "cpu", "--out", tmp_path / "out")
    run(yolo_folder, "--teacher", tmp_path / "teacher.safetensors", *options)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"appearance.safetensors", "appearance.md", "curves.csv", "neighbours.jpg"} <= left
    made_from = "6 crops (3 of people) from dataset [bold] :car:"
    assert made_from in (tmp_path / "out" / "appearance.md").read_text()
    assert made_from in capsys.readouterr().err


# Metric learning


@pytest.fixture
def reid_folder(tmp_path: Path) -> Path:
    """Six people of three looks each in Market-1501's names, with background and junk beside them."""
    folder = tmp_path / "market"
    folder.mkdir()
    noise = np.random.default_rng(0)
    for person in range(1, 7):
        for shot in range(3):
            image = np.clip(picture(person) + noise.normal(0, 20, (120, 60, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"{person:04d}_c{shot}s1_000{shot}51_00.jpg"), image)
    for name in ("0000_c1s1_000151_00.jpg", "-1_c1s1_000151_00.jpg", "notes_c1.jpg"):
        cv2.imwrite(str(folder / name), picture(99))
    return folder


def test_market_names_give_identities_without_background_and_junk(reid_folder: Path) -> None:
    found = collect_identities([reid_folder])
    assert [identity.name for identity in found] == [f"market/{person:04d}" for person in range(1, 7)]
    assert {len(identity.crops) for identity in found} == {3}


def test_msmt_names_count_from_zero_in_each_part(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for person in ("0000", "0001"):
            (tmp_path / part / person).mkdir(parents=True)
            for shot in range(2):
                cv2.imwrite(
                    str(tmp_path / part / person / f"{person}_00{shot}_01_0303morning_0008_0.jpg"), picture(shot)
                )
    names = [identity.name.removeprefix(f"{tmp_path.name}/") for identity in collect_identities([tmp_path])]
    assert names == ["test/0000", "test/0001", "train/0000", "train/0001"]


def test_folders_without_identities_are_named(yolo_folder: Path) -> None:
    with pytest.raises(DataError, match="0 identities"):
        collect_identities([yolo_folder])


def test_only_a_triplet_that_is_too_near_costs() -> None:
    rows = torch.eye(512)[[0, 0, 1, 1]]
    assert hardest_triplets(rows, torch.tensor([5, 5, 7, 7])) == 0
    assert hardest_triplets(rows, torch.tensor([5, 7, 5, 7])) == pytest.approx(1.3)


def test_identities_are_learned(reid_folder: Path, tmp_path: Path) -> None:
    config = TrainConfig(steps=12, batch=16, height=64, learning_rate=2e-3)
    shown: list[dict[str, float]] = []
    task = MetricLearning(collect_identities([reid_folder]), config)
    train(task, tmp_path, config, progress=lambda step, losses: shown.append(losses))
    assert shown[-1]["classes"] < 0.9 * shown[0]["classes"]
    assert shown[-1]["rank1"] == 1  # the two people held out


def test_identities_are_classified_by_direction_alone(reid_folder: Path) -> None:
    task = MetricLearning(collect_identities([reid_folder]), SHORT)
    features, labels = torch.randn(8, 512, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 4
    before = task.loss(features, labels)
    task.extra.weight.data *= 3
    for name, value in task.loss(5 * features, labels).items():
        torch.testing.assert_close(value, before[name])
    at_their_identities = task.extra.weight.data[labels]
    assert task.loss(at_their_identities, labels)["classes"] < before["classes"]


def test_views_to_learn_from_are_mirrored_as_often_as_not_and_those_of_the_exam_never() -> None:
    synthetic = np.zeros((120, 60, 3), np.uint8)
    synthetic[:, 30:] = 255  # dark on the left, bright on the right
    people = [Identity(str(name), [Crop(synthetic, True)] * 20) for name in range(8)]
    task = MetricLearning(people, replace(SHORT, batch=64))
    left, right = slice(None, 12), slice(20, None)  # columns of 32
    views = torch.cat([task.batch(np.random.default_rng(seed))[0] for seed in range(4)]).double()
    mirrored = views[:, :, left].mean((1, 2, 3)) > views[:, :, right].mean((1, 2, 3))
    assert 0.3 < mirrored.double().mean() < 0.7
    exam = task.exam_views.double()
    assert (exam[:, :, left].mean((1, 2, 3)) < exam[:, :, right].mean((1, 2, 3))).all()


def test_learning_from_identities_can_be_resumed(reid_folder: Path, tmp_path: Path) -> None:
    identities = collect_identities([reid_folder])
    whole = train(MetricLearning(identities, SHORT), tmp_path / "whole", SHORT)

    def interrupt(step: int, losses: dict[str, float]) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(MetricLearning(identities, SHORT), tmp_path / "parts", SHORT, progress=interrupt)
    parts = train(MetricLearning(identities, SHORT), tmp_path / "parts", SHORT, resume=True)
    for name, value in whole.state.items():
        torch.testing.assert_close(parts.state[name], value, rtol=0, atol=1e-5)


def test_sixteen_bit_floats_give_nearly_the_same_losses(reid_folder: Path, tmp_path: Path) -> None:
    identities = collect_identities([reid_folder])
    shown: dict[bool, dict[str, float]] = {}
    for amp in (False, True):
        config = TrainConfig(steps=1, batch=4, height=64, amp=amp)
        train(
            MetricLearning(identities, config),
            tmp_path / str(amp),
            config,
            progress=lambda _, losses, amp=amp: shown.update({amp: losses}),
        )
    assert shown[True]["loss"] == pytest.approx(shown[False]["loss"], rel=0.05)
    assert shown[True]["loss"] != shown[False]["loss"]


def test_identities_of_a_sequence_are_those_of_its_ground_truth(tmp_path: Path) -> None:
    folder = tmp_path / "squares"
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    (folder / "seqinfo.ini").write_text("[Sequence]\nseqLength=3\nframeRate=1\nimDir=img1\n")
    for frame in (1, 2, 3):
        cv2.imwrite(str(folder / "img1" / f"{frame:06d}.png"), np.full((200, 300, 3), 90, np.uint8))
    boxes = ((1, 10), (2, 100), (3, 200))
    lines = [
        f"{frame},{identity},{left},20,40,80,1,1,1"
        for frame in (1, 2, 3)
        for identity, left in boxes
        if identity < 3 or frame == 1
    ]
    (folder / "gt" / "gt.txt").write_text("\n".join(lines))
    found = collect_identities([folder])
    assert [(identity.name, len(identity.crops)) for identity in found] == [
        ("squares/squares/1", 3),
        ("squares/squares/2", 3),
    ]


def test_erasing_paints_over_a_part_of_a_view(crops: list[Crop]) -> None:
    shares = []
    for seed in range(40):
        plain, erased = (Variations(crops, np.random.default_rng(seed), erase=e) for e in (1e-9, 1.0))
        canvas = plain.canvas(crops[0])
        before, after = (v.view(canvas, (128, 64), True) for v in (plain, erased))
        shares.append(float((before != after).any(axis=2).mean()))
    assert 0.02 < np.mean(shares) < 0.35 and max(shares) < 0.5


def test_the_sheet_shows_each_crop_beside_its_nearest() -> None:
    views = torch.zeros(4, 128, 64, 3, dtype=torch.uint8)
    views[:] = torch.tensor([10, 60, 110, 160])[:, None, None, None]
    features = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1]]))
    sheet = cv2.imdecode(np.frombuffer(neighbours(views, features, torch.tensor([1, 1, 2, 3])), np.uint8), 1)
    assert sheet.shape == (4 * 136, 4 * 72, 3)
    inside = sheet[68::136, 36::72].astype(int)[..., 0]
    assert np.abs(inside[:, :2] - [[10, 60], [60, 10], [110, 160], [160, 110]]).max() < 8
    green, red = sheet[60, 73].astype(int), sheet[2 * 136 + 60, 73].astype(int)
    assert green[1] > green[2] + 50 and red[2] > red[1] + 50


def test_the_command_learns_from_identities_where_there_is_no_teacher(reid_folder: Path, tmp_path: Path) -> None:
    run(reid_folder, "--steps", 1, "--batch", 8, "--height", 64, "--device", "cpu", "--out", tmp_path / "out")
    assert "18 crops of 6 identities from market" in (tmp_path / "out" / "appearance.md").read_text()


# Identities and a teacher at once


def joint(crops: list[Crop], reid_folder: Path, **changes: float) -> Joint:
    return Joint(crops, "", collect_identities([reid_folder]), replace(SHORT, **changes))


def test_the_teacher_counts_by_its_weight(crops: list[Crop], reid_folder: Path) -> None:
    def losses(weight: float) -> dict[str, float]:
        task = joint(crops, reid_folder, distillation_weight=weight)
        task.network.train()
        return {name: float(value.detach()) for name, value in task.losses(np.random.default_rng(0)).items()}

    none, one, four = (losses(weight) for weight in (0, 1, 4))
    assert none["loss"] == pytest.approx(none["classes"] + none["triplets"])
    assert one["loss"] > none["loss"] and one["cosine"] > 0
    assert four["loss"] - none["loss"] == pytest.approx(4 * (one["loss"] - none["loss"]), rel=1e-4)


def test_one_pass_sees_a_batch_of_which_a_third_is_the_teachers(crops: list[Crop], reid_folder: Path) -> None:
    passes: list[torch.Tensor] = []
    for some in (crops, [Crop(255 - crop.image, crop.person) for crop in crops]):
        task = joint(some, reid_folder, batch=12)
        task.network.register_forward_pre_hook(lambda _, inputs: passes.append(inputs[0]))
        task.losses(np.random.default_rng(3))
    assert [len(images) for images in passes] == [12, 12]
    changed = (passes[0] != passes[1]).flatten(1).any(1)
    assert changed.tolist() == [True] * 4 + [False] * 8


def test_it_begins_with_the_embedded_weights_whoever_the_teacher_is(
    crops: list[Crop], reid_folder: Path, tmp_path: Path
) -> None:
    embedded = load_weights()
    other = {name: value + 0.01 for name, value in embedded.state.items()}
    replace(embedded, state=other).write(tmp_path / "teacher.safetensors")
    task = Joint(crops, tmp_path / "teacher.safetensors", collect_identities([reid_folder]), SHORT)
    for name, value in embedded.network().state_dict().items():
        assert torch.equal(task.network.state_dict()[name], value), name


@pytest.mark.slow
def test_people_are_learned_while_a_damaged_student_comes_back_to_its_teacher(
    crops: list[Crop], reid_folder: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    embedded = load_weights()
    state = {name: value.clone() for name, value in embedded.state.items()}
    state["fc.0.weight"] += torch.randn_like(state["fc.0.weight"]) * state["fc.0.weight"].std()
    replace(embedded, state=state).write(tmp_path / "student.safetensors")
    config = TrainConfig(steps=20, batch=18, height=64, learning_rate=5e-3)
    shown: list[dict[str, float]] = []
    task = Joint(crops, "", collect_identities([reid_folder]), config, tmp_path / "student.safetensors")
    train(task, tmp_path / "out", config, progress=lambda _, losses: shown.append(losses))
    for name in ("classes", "cosine"):
        first, last = (np.mean([row[name] for row in part]) for part in (shown[:5], shown[-5:]))
        assert last < 0.9 * first, name
    assert {"rank1", "map", "held_out_cosine"} <= shown[-1].keys()


def test_what_was_interrupted_ends_as_it_would_have_and_only_as_the_same_lesson(
    crops: list[Crop], reid_folder: Path, tmp_path: Path
) -> None:
    def interrupt(step: int, _: dict[str, float]) -> None:
        if step == 3:
            raise KeyboardInterrupt

    whole = train(joint(crops, reid_folder), tmp_path / "whole", SHORT)
    with pytest.raises(KeyboardInterrupt):
        train(joint(crops, reid_folder), tmp_path / "parts", SHORT, progress=interrupt)
    with pytest.raises(UsageError, match=r"other settings \(distillation_weight 4\.5 then, 1\.0 now\)"):
        train(joint(crops, reid_folder), tmp_path / "parts", replace(SHORT, distillation_weight=1), resume=True)
    with pytest.raises(WeightsError, match="not a checkpoint of this training"):
        train(Distillation(crops, "", SHORT), tmp_path / "parts", SHORT, resume=True)
    parts = train(joint(crops, reid_folder), tmp_path / "parts", SHORT, resume=True)
    for name, value in whole.state.items():
        assert torch.equal(value, parts.state[name]), name
    assert (tmp_path / "whole/curves.csv").read_text() == (tmp_path / "parts/curves.csv").read_text()


def test_the_command_takes_identities_beside_a_teacher(
    yolo_folder: Path, reid_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_weights().write(tmp_path / "teacher.safetensors")
    beside = ("--teacher", tmp_path / "teacher.safetensors", "--identities", reid_folder)
    options = ("--steps", 1, "--batch", 8, "--height", 64, "--device", "cpu", "--out", tmp_path / "out")
    run(yolo_folder, *beside, "--distillation-weight", 2, *options)
    card = (tmp_path / "out" / "appearance.md").read_text()
    assert "6 crops (3 of people) from dataset, 18 crops of 6 identities from market" in card
    assert "--identities market --distillation-weight 2 --teacher teacher.safetensors" in card
    assert (tmp_path / "out" / "curves.csv").read_text().startswith("step,loss,classes,triplets,cosine,rank1,map,held")
    for words, said in (
        (("--identities", reid_folder), "--identities go beside a --teacher; give one, or the identities as DATA"),
        (("--distillation-weight", 2), "--distillation-weight weighs a --teacher against --identities; give both"),
        ((*beside, "--distillation-weight", 101), "--distillation-weight: distillation_weight is 101"),
    ):
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in ("train", "appearance", yolo_folder, *words, *options)])
        assert left.value.code == 2 and f"error: {said}" in capsys.readouterr().err


# Calibration


def walk(identities: int, drift: float, frames: int = 60, seed: int = 0) -> Embeddings:
    """People whose unit features wander: similarity to oneself falls with time, that to others stays."""
    rng = np.random.default_rng(seed)
    feature = rng.normal(size=(identities, 512))
    rows = []
    for _ in range(frames):
        feature = np.sqrt(1 - drift) * feature + np.sqrt(drift) * rng.normal(size=feature.shape)
        rows.append(feature / np.linalg.norm(feature, axis=1, keepdims=True))
    ids = np.tile(np.arange(identities), frames)
    when = np.repeat(np.arange(frames), identities)
    return Embeddings(np.concatenate(rows).astype(np.float32), ids, when, np.ones_like(ids), fps=1.0)


def test_the_fitted_probability_is_right_at_every_gap() -> None:
    seen = walk(identities=12, drift=0.02)
    calibration = fit([seen])
    assert calibration.threshold_per_log_s < 0
    assert calibration.different_mean == pytest.approx(0, abs=0.03)
    assert calibration.different_deviation == pytest.approx(512**-0.5, rel=0.3)
    assert calibration.same_mean == pytest.approx(0.99, abs=0.01)
    for gap in (1, 5, 20):
        similarity, same = pairs(seen, gap)
        sure = same_identity_probability(similarity, gap, calibration)
        assert sure[same].mean() > 0.9 and sure[~same].mean() < 0.1


def test_two_numbers_that_never_met_are_not_called_two_people() -> None:
    seen = walk(identities=2, drift=0.01)
    split = replace(seen, ids=seen.ids + 10 * (seen.frames >= 30))  # both got a new number halfway
    _, same = pairs(split, 40)
    assert len(same) == 0
    assert pairs(seen, 40)[1].any()


def test_too_little_to_calibrate_on_is_said() -> None:
    with pytest.raises(DataError, match="give longer ones"):
        fit([walk(identities=1, drift=0.01)])
    assert Calibration().threshold > 0


def test_a_calibration_is_stored_with_its_weights(tmp_path: Path) -> None:
    folder = tmp_path / "pair"
    for part in ("img1", "gt"):
        (folder / part).mkdir(parents=True)
    lines = []
    for frame in range(1, 61):
        image = np.concatenate([picture(1), picture(2), picture(3)], axis=1)
        noise = np.random.default_rng(frame).normal(0, 25, image.shape)
        cv2.imwrite(str(folder / f"img1/{frame:06d}.png"), np.clip(image + noise, 0, 255).astype(np.uint8))
        lines += [f"{frame},{i},{60 * i},0,60,120,1,1,1" for i in range(3)]
    (folder / "gt/gt.txt").write_text("\n".join(lines))
    (folder / "seqinfo.ini").write_text("[Sequence]\nseqLength=60\nframeRate=10\n")
    load_weights().write(tmp_path / "weights.safetensors")
    calibrated = calibrate(tmp_path / "weights.safetensors", [MotSequence.read(folder)])
    assert load_weights(tmp_path / "weights.safetensors").calibration == calibrated.calibration
    assert calibrated.calibration != load_weights().calibration
    calibrated.write(tmp_path / "copy.safetensors")
    copy = load_weights(tmp_path / "copy.safetensors").state
    for name, value in load_weights().state.items():
        torch.testing.assert_close(copy[name], value)
