"""Training of the motion model on a tiny dataset: it learns, it can be stopped, it can be shared."""

import csv
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")

from helpers.commands import ended  # noqa: E402
from helpers.motion_data import write_sequence  # noqa: E402  # noqa: E402
from tracker.cli import main  # noqa: E402
from tracker.errors import ConfigError, DataError, OutputError, UsageError, WeightsError  # noqa: E402
from tracker.motion.kalman import COVARIANCE  # noqa: E402
from tracker.motion.learned import LearnedPredictor  # noqa: E402
from tracker.motion.load import load_predictor  # noqa: E402  # noqa: E402
from tracker.motion.networks.registry import NETWORKS  # noqa: E402
from tracker.motion.predictor import Observations  # noqa: E402
from tracker.motion.weights import read_weights  # noqa: E402
from tracker.train.motion.augmentation import Augmentation  # noqa: E402
from tracker.train.motion.card import write_card  # noqa: E402  # noqa: E402
from tracker.train.motion.settings import NETWORKS as NETWORK_NAMES  # noqa: E402
from tracker.train.motion.settings import MotionTraining  # noqa: E402
from tracker.train.motion.tracks import read_tracks, split_by_sequence  # noqa: E402  # noqa: E402
from tracker.train.motion.trainer import Trainer  # noqa: E402  # noqa: E402
from tracker.train.motion.windows import WindowSampler, filtered  # noqa: E402  # noqa: E402

SMALL = MotionTraining(
    iterations=13, filter_iterations=5, short_windows=24, short_steps=10, long_windows=8, long_steps=12,
    validate_every=6, learning_rate=5e-3, warmup_steps=5, average=0.9, embeddings_every=2, validation=0.3,
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for number in range(4):
        write_sequence(root / "one", f"SEQ-{number}", seed=number, detections=number == 1)
    write_sequence(root / "two", "FAST", seed=9, fps=10)
    return [root / "one", root / "two"]


@pytest.fixture(scope="module")
def sampler(data):
    return WindowSampler(read_tracks(data), Augmentation())


def trainer(data, folder, settings=SMALL, **options):
    return Trainer(data, folder, settings, "track train motion", torch.device("cpu"), lambda _: None, **options)


def test_fifty_steps_lower_the_loss_and_leave_weights_that_predict(data, tmp_path):
    run = trainer(data, tmp_path, replace(SMALL, validation=0.0, filter_iterations=1))
    untrained = run.validate()
    rows = list(run.run())
    assert untrained["validation_loss"] == pytest.approx(untrained["filter_validation_loss"], abs=1e-5)
    assert rows[-1]["validation_loss"] < untrained["validation_loss"] - 0.005
    with (tmp_path / "curves.csv").open() as file:
        assert [float(row["round"]) for row in csv.DictReader(file)] == [6, 12, 13]
    path = run.save()
    assert isinstance(load_predictor(str(path)), LearnedPredictor)
    notes = read_weights(path).notes
    assert (
        notes["seed"] == "0"
        and notes["command"] == "track train motion"
        and "SEQ-2" in notes["sequences"] + notes["set_aside"]
    )


def test_the_learning_rate_falls_to_zero_by_a_cosine_or_by_a_cooldown(data, tmp_path):
    plain = trainer(data, tmp_path, replace(SMALL, iterations=100, filter_iterations=1))
    cooled = trainer(data, tmp_path, replace(SMALL, iterations=50, filter_iterations=1, decay=2, cooldown=0.2))
    highest = SMALL.learning_rate
    assert plain._rate(10) == pytest.approx(highest, rel=0.01) and plain._rate(200) == pytest.approx(highest / 2)
    assert [plain._rate(step) for step in range(0, 160)] == [cooled._rate(step) for step in range(0, 160)]
    assert cooled._rate(180) == pytest.approx(plain._rate(180) / 2)
    assert plain._rate(400) == cooled._rate(200) == 0


def test_a_stopped_run_goes_on_bit_for_bit(data, tmp_path):
    whole = trainer(data, tmp_path / "whole")
    list(whole.run())
    stopped = trainer(data, tmp_path / "stopped")
    next(iter(stopped.run()))
    resumed = trainer(data, tmp_path / "stopped", resume=True)
    assert resumed.iteration == 6
    list(resumed.run())
    for name, value in whole.best.items():
        assert torch.equal(value, resumed.best[name]), name
    assert [row["loss"] for row in whole.rows] == [row["loss"] for row in resumed.rows]
    assert whole.save().read_bytes() == resumed.save().read_bytes()


def stop_after(iterations):
    """What to do after each round: nothing, and after so many what Ctrl-C does."""

    def progress(done):
        if done == iterations:
            signal.raise_signal(signal.SIGINT)

    return progress


TINY = replace(SMALL, iterations=4, filter_iterations=1, validate_every=3, short_windows=8, long_windows=4)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A whole training, and the folder with its checkpoint."""
    run = trainer(data, tmp_path_factory.mktemp("finished"), TINY)
    list(run.run())
    run.save()
    return run


@pytest.fixture
def checkpoint(finished, tmp_path):
    """A copy of what it left."""
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    return tmp_path / "checkpoint.pt"


@pytest.mark.parametrize("iterations", [1, 3])
def test_ctrl_c_leaves_a_checkpoint_of_the_last_whole_iteration(data, finished, tmp_path, iterations):
    with pytest.raises(KeyboardInterrupt):
        list(trainer(data, tmp_path, TINY).run(stop_after(iterations)))
    assert not (tmp_path / "motion.safetensors").exists()
    resumed = trainer(data, tmp_path, TINY, resume=True)
    assert resumed.iteration == iterations
    list(resumed.run())
    assert [row["loss"] for row in finished.rows] == [row["loss"] for row in resumed.rows]
    assert (finished.folder / "motion.safetensors").read_bytes() == resumed.save().read_bytes()


def test_a_signal_in_the_middle_of_an_iteration_waits_for_its_end(data, tmp_path):
    run = trainer(data, tmp_path, TINY)
    step, steps = run.optimizer.step, []

    def interrupted():
        step()
        steps.append(run.iteration)
        if len(steps) == 6:
            signal.raise_signal(signal.SIGINT)

    run.optimizer.step = interrupted
    with pytest.raises(KeyboardInterrupt):
        list(run.run())
    assert len(steps) == 8 and trainer(data, tmp_path, TINY, resume=True).iteration == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_hang_up_ends_the_command_as_ctrl_c_does(data, tmp_path, monkeypatch, capsys):
    """Amid the second iteration, which is done to its end."""
    (tmp_path / "tiny.yaml").write_text(
        "iterations: 4\nfilter_iterations: 1\nvalidate_every: 3\nshort_windows: 8\nlong_windows: 4\nlong_steps: 8\n"
    )
    words = ["train", "motion", *map(str, data), "--config", str(tmp_path / "tiny.yaml"), "--device", "cpu"]
    words += ["--out", str(tmp_path / "out")]

    def interrupted(run, batch):
        if run.iteration == 1:
            signal.raise_signal(signal.SIGHUP)
        return whole(run, batch)

    whole = Trainer._iterate
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_iterate", interrupted)
        code, said = ended(words, capsys)
    assert code == 129 and "stopped after iteration 2; go on with --resume" in said
    assert not (tmp_path / "out" / "motion.safetensors").exists()
    assert ended([*words, "--resume"], capsys)[0] == 0
    assert (tmp_path / "out" / "motion.safetensors").exists()


def test_more_iterations_go_on_at_the_rate_of_the_longer_training(data, checkpoint):
    longer = trainer(data, checkpoint.parent, replace(TINY, iterations=6), resume=True)
    assert longer.iteration == 4 and longer._rate(4 * 4) > 0
    list(longer.run())
    assert longer.iteration == 6 and [row["round"] for row in longer.rows] == [3, 4, 6]


def test_resuming_with_other_settings_is_refused_and_says_which(data, checkpoint):
    with pytest.raises(UsageError, match=r"other settings \(seed 0 then, 1 now, average 0\.9 then, 0\.5 now"):
        trainer(data, checkpoint.parent, replace(TINY, seed=1, average=0.5), resume=True)
    other = replace(TINY, augmentation=Augmentation(swapped=0.5, missed=(0.1,)))
    with pytest.raises(UsageError, match=r"augmentation\.missed .*\[0\.1\] now, augmentation\.swapped 0\.03 then"):
        trainer(data, checkpoint.parent, other, resume=True)
    with pytest.raises(UsageError, match=r"sequences \["):
        trainer(data[:1], checkpoint.parent, TINY, resume=True)
    with pytest.raises(UsageError, match="has 16 steps behind it; give more"):
        trainer(data, checkpoint.parent, replace(TINY, iterations=3), resume=True)


def test_resuming_without_a_checkpoint_is_refused_before_anything_is_read_or_made(tmp_path):
    with pytest.raises(WeightsError, match=r"no checkpoint at .* to go on from; start without --resume"):
        trainer([tmp_path / "no data"], tmp_path / "out", resume=True)
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_before_the_augmentation_could_be_chosen_goes_on(data, checkpoint):
    state = torch.load(checkpoint, weights_only=True)
    made_with = json.loads(state["settings"])
    state["settings"] = json.dumps({name: value for name, value in made_with.items() if "augmentation" not in name})
    torch.save(state, checkpoint)
    assert trainer(data, checkpoint.parent, TINY, resume=True).iteration == 4
    with pytest.raises(UsageError, match=r"augmentation\.swapped 0\.03 then, 0\.5 now"):
        trainer(data, checkpoint.parent, replace(TINY, augmentation=Augmentation(swapped=0.5)), resume=True)


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"no checkpoint"])
def test_a_damaged_checkpoint_is_one_sentence(data, checkpoint, damage):
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(WeightsError, match=r"checkpoint\.pt is damaged.*without --resume") as refused:
        trainer(data, checkpoint.parent, TINY, resume=True)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("lacking", ["average", "round", "rows", "settings", "filter"])
def test_a_checkpoint_that_lacks_something_is_one_sentence(data, checkpoint, lacking):
    content = torch.load(checkpoint, weights_only=True)
    del content[lacking]
    torch.save(content, checkpoint)
    with pytest.raises(WeightsError, match="not a checkpoint of this training"):
        trainer(data, checkpoint.parent, TINY, resume=True)


def test_a_training_that_diverges_ends_with_a_sentence_and_keeps_what_was_good(data, checkpoint):
    files = [checkpoint, checkpoint.with_name("motion.safetensors")]
    kept = [file.read_bytes() for file in files]
    wild = trainer(data, checkpoint.parent, TINY)
    next(wild.network.parameters()).data.fill_(float("nan"))
    with pytest.raises(UsageError, match=r"diverged.*lower --learning-rate") as refused:
        list(wild.run())
    assert "\n" not in str(refused.value)
    assert kept == [file.read_bytes() for file in files]
    wild.best["head.bias"][:] = 1e9  # more than 16 bits hold
    with pytest.raises(UsageError, match="diverged"):
        wild.save()
    assert kept == [file.read_bytes() for file in files]


def test_one_sequence_is_not_called_set_aside(tmp_path):
    write_sequence(tmp_path / "data", "ONLY")
    said = []
    settings = replace(TINY, iterations=2)
    run = Trainer([tmp_path / "data"], tmp_path / "out", settings, "train", torch.device("cpu"), said.append)
    assert any("no sequence is set aside" in remark for remark in said)
    list(run.run())
    assert json.loads(read_weights(run.save()).notes["set_aside"]) == []
    card = write_card(run).read_text()
    assert "No sequence was set aside" in card and "set aside to stop by: none" in card
    assert "on the sequences trained on" in card


def test_tracks_too_few_to_learn_from(tmp_path):
    write_sequence(tmp_path / "data", "SHORT", frames=5)
    with pytest.raises(DataError, match="none of 6 tracks has 6 boxes"):
        trainer([tmp_path / "data"], tmp_path / "out")
    for name in ("A", "B"):  # what has too little is not what is measured on
        write_sequence(tmp_path / "data", name)
    for seed in range(3):
        assert trainer([tmp_path / "data"], tmp_path / "out", replace(TINY, seed=seed)).set_aside in (["A"], ["B"])


def test_files_that_this_command_did_not_make_stay(data, tmp_path):
    (tmp_path / "config.yaml").write_text("theirs: 1")
    with pytest.raises(OutputError, match=r"config\.yaml was not made by track train motion"):
        trainer(data, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["config.yaml"]


WORKER = """
import sys, dataclasses, json, torch
from pathlib import Path
from test_train_motion import SMALL, trainer
torch.set_num_threads(1)
settings = dataclasses.replace(SMALL, rounds=6, validate_every=1)
run = trainer([Path(p) for p in sys.argv[3:]], Path(sys.argv[2]), settings)
rows = list(run.run())
if run.rank == 0:
    Path(sys.argv[1]).write_text(json.dumps([row["loss"] for row in rows]))
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_with_the_same_global_batch_have_the_same_loss_curve(data, tmp_path):
    here = Path(__file__).parent
    path = os.pathsep.join(map(str, (here, here.parent, here.parents[1])))
    (tmp_path / "worker.py").write_text(WORKER)
    words = ["--nproc-per-node=2", "--standalone", str(tmp_path / "worker.py"), str(tmp_path / "loss.json")]
    words += [str(tmp_path / "two"), *map(str, data)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *words], check=True, env=environment, capture_output=True
    )
    settings = replace(SMALL, iterations=6, validate_every=1)
    alone = [row["loss"] for row in trainer(data, tmp_path / "alone", settings).run()]
    np.testing.assert_allclose(json.loads((tmp_path / "loss.json").read_text()), alone, atol=1e-3)


def test_the_command_leaves_weights_card_curves_and_pictures(data, tmp_path, capsys):
    settings = tmp_path / "small.yaml"
    settings.write_text(
        "iterations: 3\nfilter_iterations: 2\nshort_windows: 8\nlong_windows: 4\nlong_steps: 8\nvalidate_every: 1\n"
        "augmentation: {mirrored: 1, white: [0.1], scores: [0.7, 0.8]}\n"
        'licences: ["made up: free"]\n'
    )
    (tmp_path / "one [bold] :car:").symlink_to(data[0])  # markup, if one lets it
    roots = [tmp_path / "one [bold] :car:", data[1]]
    words = ["train", "motion", *map(str, roots), "--out", str(tmp_path / "run"), "--config", str(settings)]
    with pytest.raises(SystemExit) as left:
        main([*words, "--model", "gru", "--hold-out", "SEQ-0", "--device", "cpu"])
    said = capsys.readouterr().err
    assert left.value.code == 0, said
    assert "/one[bold]:car:," in "".join(said.split())  # wrapped where the line ends
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"motion.safetensors", "motion.md", "config.yaml", "curves.csv", "checkpoint.pt"} <= names
    left = MotionTraining.load(tmp_path / "run" / "config.yaml")
    assert left.augmentation == Augmentation(mirrored=1.0, white=(0.1,), scores=(0.7, 0.8)) and left.model == "gru"
    card = (tmp_path / "run" / "motion.md").read_text()
    for word in ("track train motion", "--model gru", "SEQ-0", "made up: free", "one [bold] :car: | ", "two | "):
        assert word in card, word
    if importlib.util.find_spec("matplotlib"):
        assert {"curves.png", "error_by_horizon.png", "reliability.png", "forecasts.png"} <= names


@pytest.mark.slow
def test_the_command_counts_steps_and_holds_out_names_and_a_share(data, tmp_path, capsys):
    settings = tmp_path / "small.yaml"
    settings.write_text("filter_iterations: 1\nshort_windows: 8\nlong_windows: 4\nlong_steps: 8\nhold_out: [SEQ-1]\n")
    words = ["train", "motion", *map(str, data), "--config", str(settings), "--device", "cpu", "--quiet"]
    notes = {}
    for name, steps in (("new", ["--steps", "5"]), ("old", ["--rounds", "2"])):
        hold = ["--hold-out", "0.5", "--hold-out", "SEQ-0", "--learning-rate", "0.01"]
        with pytest.raises(SystemExit) as left:
            main([*words, "--out", str(tmp_path / name), *steps, *hold])
        error = capsys.readouterr().err
        assert left.value.code == 0, error
        assert error.count("warning: --rounds is called --steps") == error.count("\n") == (name == "old")
        notes[name] = read_weights(tmp_path / name / "motion.safetensors").notes
        chosen = json.loads(notes[name]["settings"])
        assert (chosen["iterations"], chosen["validation"], chosen["learning_rate"]) == (2, 0.5, 0.01)
        assert chosen["hold_out"] == ["SEQ-1", "SEQ-0"]
    assert "--steps 5 --learning-rate 0.01 --hold-out 0.5 --hold-out SEQ-0" in notes["new"]["command"]
    assert "--steps 8" in notes["old"]["command"]


def test_the_networks_to_choose_from_are_those_there_are():
    assert dict.fromkeys(NETWORK_NAMES) == dict.fromkeys(NETWORKS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("iteration: 3", "did you mean 'iterations'"),
        ("learning_rate: -1", "from 0"),
        ("model: mamba", "lstm"),
        ("augmentation: {swappd: 1}", "did you mean 'swapped'"),
        ("augmentation: {swapped: 2}", "from 0 to 1"),
        ("augmentation: {scores: [0.9]}", "list of 2 numbers"),
        ("augmentation: {missed: []}", "one or more numbers"),
        ("augmentation: {white: [0.1, -1]}", "one or more numbers from 0 to 10"),
        ("augmentation: {white: [a]}", "one or more numbers"),
        ("augmentation: {scores: [0.9, 0.5]}", "lower number first"),
        ("augmentation: {same_similarity: 0.2}", "other_similarity, same_similarity"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        MotionTraining.load(path)


def test_the_yaml_of_the_model_that_ships_says_what_its_windows_went_through():
    settings = MotionTraining.load(Path(__file__).parents[2] / "configs" / "train" / "motion.yaml")
    assert settings.augmentation == Augmentation()
    given = yaml.safe_load((Path(__file__).parents[2] / "configs" / "train" / "motion.yaml").read_text())
    assert given["augmentation"].keys() == asdict(Augmentation()).keys()


def test_sequences_are_split_whole(data):
    tracks = read_tracks(data)
    training, aside = split_by_sequence(tracks, 0.3, seed=0)
    assert set(training.sequence).isdisjoint(aside.sequence)
    assert len(training) + len(aside) == len(tracks) and len(aside) > 0


def test_a_large_part_of_a_dataset_is_not_set_aside_while_there_are_others(tmp_path):
    for number in range(12):
        write_sequence(tmp_path, f"SEQ-{number:02}", seed=number, tracks=20 if number == 5 else 2)
    tracks = read_tracks([tmp_path])
    for seed in range(5):
        training, aside = split_by_sequence(tracks, 0.5, seed)
        assert 5 in training.sequence and len(np.unique(aside.sequence)) == 6


def test_the_curves_are_logged_for_tensorboard_where_it_is_installed(data, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    next(iter(trainer(data, tmp_path).run()))
    list(trainer(data, tmp_path, resume=True).run())
    log = EventAccumulator(str(tmp_path)).Reload()
    with (tmp_path / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    logged = log.Scalars("validation_loss")
    assert [event.step for event in logged] == [6, 12, 13]
    assert [event.value for event in logged] == pytest.approx([float(row["validation_loss"]) for row in rows])


@pytest.mark.slow
def test_half_precision_learns_as_well(data, tmp_path):
    settings = replace(SMALL, iterations=6, validate_every=6)
    (full,), (half,) = (
        list(trainer(data, tmp_path / p, replace(settings, precision=p)).run()) for p in ("float32", "bfloat16")
    )
    assert half["validation_loss"] == pytest.approx(full["validation_loss"], abs=0.02)
    assert half["loss"] != full["loss"]


def test_the_same_generator_draws_the_same_windows_and_another_others(sampler):
    one, again, other = (sampler.draw(np.random.default_rng(seed), 20, 15, embeddings=True) for seed in (1, 1, 2))
    for name, value in vars(one).items():
        np.testing.assert_array_equal(value, getattr(again, name))
    assert not np.array_equal(one.observed, other.observed)


def test_windows_are_what_a_tracker_would_see(sampler):
    windows = sampler.draw(np.random.default_rng(0), 400, 20, real=0.3, embeddings=True)
    assert windows.valid[:, 0].all()
    steps = np.diff(windows.time_s, axis=1)[windows.valid[:, 1:]]
    assert (steps > 0).all(), "time runs forward, also where a track is played backwards"
    assert steps.max() > 5 * np.median(steps), "there are gaps"
    assert (windows.horizon_s > 0).all()
    assert np.isfinite(windows.observed).all() and np.isfinite(windows.target).all()
    size = np.exp(windows.truth[..., 2:])[windows.valid]
    error = ((windows.observed - windows.truth)[..., :2])[windows.valid] / size
    assert 0.02 < error.std() < 0.12, "boxes are off by a few percent of their size"
    lengths = np.linalg.norm(windows.features, axis=-1)
    np.testing.assert_allclose(lengths[np.isfinite(lengths)], 1, atol=1e-5)


def test_embeddings_are_taken_from_images_unless_told_otherwise_and_the_card_says_so(tmp_path):
    for name in ("FILMED", "TRACKS"):
        write_sequence(tmp_path, name, frames=12, tracks=2)
    (tmp_path / "FILMED" / "img1").mkdir()
    for frame in range(1, 13):
        picture = np.random.default_rng(frame).integers(0, 256, (720, 1280, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "FILMED" / "img1" / f"{frame:06}.jpg"), picture)
    for images, said in ((True, "for 1 of 2 sequences, else simulated"), (False, "Appearance was simulated")):
        run = trainer([tmp_path], tmp_path / "out", replace(SMALL, iterations=2, validation=0.0, images=images))
        assert (run.training.embedding_row >= 0).any() == images
        list(run.run())
        assert said in write_card(run).read_text()


def test_windows_have_their_own_embeddings_where_there_are_images_and_simulated_ones_elsewhere(sampler):
    tracks = sampler.tracks
    filmed = tracks.group == 0
    owner = np.repeat(np.arange(len(tracks)), tracks.length)
    embedding_row = np.where(filmed[owner], owner, -1)
    shown = WindowSampler(
        replace(tracks, embedding_row=embedding_row, embeddings=np.eye(len(tracks), 512, dtype=np.float16)),
        Augmentation(),
    )
    windows, plain = (s.draw(np.random.default_rng(4), 300, 20, embeddings=True) for s in (shown, sampler))
    for name in ("observed", "time_s", "scores", "valid", "target"):
        np.testing.assert_array_equal(getattr(windows, name), getattr(plain, name))
    real = (np.nan_to_num(windows.features) == 1).any(axis=(1, 2))
    assert 50 < real.sum() < 250
    np.testing.assert_array_equal(windows.features[~real], plain.features[~real])
    identity = np.where(np.isnan(windows.features[real, :, 0]), -1, np.nan_to_num(windows.features[real]).argmax(-1))
    assert set(np.unique(identity)) - {-1} <= set(np.flatnonzero(filmed))
    kinds = np.array([len(set(row[row >= 0])) for row in identity])
    assert (kinds == 1).mean() > 0.9 and (kinds == 2).any(), "one object's, unless the track has jumped to another"
    assert (identity[np.isnan(plain.features[real, :, 0])] == -1).all(), "as often missing"


def test_the_truth_at_a_horizon_is_where_the_object_is_seen_that_much_later(sampler):
    """Played forwards, backwards or mirrored, under a moving camera: targets lie on the path of the truth."""
    windows = sampler.draw(np.random.default_rng(3), 300, 30, real=0)
    agree = []
    for track in range(300):
        times = windows.time_s[track]
        ahead = times[:, None] + windows.horizon_s[track]
        for step, k in zip(*np.nonzero(windows.target_valid[track]), strict=True):
            same = np.flatnonzero((np.abs(times - ahead[step, k]) < 1e-4) & windows.valid[track])
            if len(same):
                error = windows.target[track, step, k] - windows.truth[track, same[0]]
                agree.append(np.abs(error).max() < 0.01)
    assert len(agree) > 500
    assert 0.95 < np.mean(agree) < 1, "all but those of windows that jump to another object in between"


def test_the_filter_of_training_is_the_filter_in_use(sampler):
    """The inputs that training makes in one go are those that the predictor makes step by step."""
    predictor = load_predictor()
    windows = sampler.draw(np.random.default_rng(5), 30, 12, real=0.5, embeddings=True)
    lesson = filtered(windows, predictor.parameters)
    seen = []
    core_step = predictor.core.step
    predictor.core.step = lambda slots, geometry, features: (
        seen.append(geometry),
        core_step(slots, geometry, features),
    )[1]
    track = int(np.flatnonzero(windows.valid.all(axis=1))[0])
    size = windows.frame_size[track]
    for step in range(12):
        centre, box = windows.observed[track, step, :2], np.exp(windows.observed[track, step, 2:])
        observations = Observations(
            np.concatenate([centre - box / 2, centre + box / 2])[None],
            windows.scores[track, step, None],
            float(windows.time_s[track, step]),
            windows.features[track, step, None],
            None if np.isnan(size).any() else tuple(size),
        )
        predictor.update(np.array([0]), observations, np.array([not step]))
    np.testing.assert_allclose(np.concatenate(seen), lesson.geometry[track], atol=2e-3)
    state = predictor.filter.state(np.array([0]))[:, 0]
    np.testing.assert_allclose(state, lesson.states[:, track, -1], rtol=1e-6, atol=1e-9)
    assert lesson.states[COVARIANCE].any()
