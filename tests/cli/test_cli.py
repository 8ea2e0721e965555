"""The command: what it leaves, what it says when something is wrong, and how it ends when it is ended."""

import csv
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import pytest
import typer
import yaml
from typer.main import get_command

import tracker
from helpers.clips import pan
from helpers.forked import ForkedTrack
from helpers.motion_data import write_sequence
from tracker.cli import _other_trackers as conventions
from tracker.cli import commands, main, module
from tracker.system.version import __version__

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(tracker.__file__).parents[1])}  # also where it is not installed
FAST = ["--imgsz", "320", "--device", "cpu"]
FRAMES = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return pan(tmp_path_factory.mktemp("clip") / "pan.mp4", FRAMES)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    return pan(tmp_path_factory.mktemp("clip") / "long.mp4", 600)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def track(*words, **options) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own, from the start of its interpreter to the end."""
    command = [sys.executable, "-m", "tracker", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=ENVIRONMENT, **options)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def whole_lines(path: Path) -> list[str]:
    text = path.read_text()
    assert not text or text.endswith("\n")
    return text.splitlines()


def refused(capsys, *words) -> tuple[int, str]:
    """Exit code and the one sentence on stderr of a command line that cannot be obeyed, run in this process."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    return ended.value.code, err.removeprefix("error: ").rstrip("\n")


def test_a_group_of_commands_alone_shows_its_help(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train"])
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert all(name in out + err for name in ("motion", "appearance", "detector")) and "error" not in out + err


def test_the_bar_shows_a_name_as_it_is(clip, here, monkeypatch, capsys):
    """Rich reads `[front]` as markup and `:car:` as a picture, where one lets it."""
    name = "cam[front] :car:"
    shutil.copy(clip, here / f"{name}.mp4")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        main([f"{name}.mp4", "--imgsz", "64", "--no-video"])
    shown, said = capsys.readouterr()
    assert not ended.value.code and name in shown and name in said


class TestTheMainJob:
    @pytest.fixture(scope="class")
    @classmethod
    def runs(cls, clip, tmp_path_factory):
        """The same command line twice, in one folder."""
        folder = tmp_path_factory.mktemp("here")
        first, second = track(clip, *FAST, cwd=folder), ForkedTrack(clip, *FAST, cwd=folder)
        second.wait(300)
        return folder, (first, second)

    def test_it_leaves_what_it_says(self, runs, clip):
        folder, (first, second) = runs
        assert (first.returncode, second.returncode) == (0, 0), first.stderr
        left = folder / "runs" / "track" / "pan"
        assert sorted(path.name for path in left.iterdir()) == [
            "run.yaml",
            "summary.csv",
            "tracks.csv",
            "tracks.txt",
            "video.mp4",
        ]
        assert sorted(path.name for path in folder.iterdir()) == ["runs"]
        with av.open(str(left / "video.mp4")) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.width, stream.height, stream.frames) == ("h264", 320, 240, FRAMES)
        assert len({row["id"] for row in rows(left / "tracks.csv")}) == len(rows(left / "summary.csv")) >= 2
        assert yaml.safe_load((left / "run.yaml").read_text())["config"]["detector"]["imgsz"] == 320

    def test_the_same_command_gives_the_same_bytes(self, runs):
        folder, _ = runs
        for name in ("tracks.txt", "tracks.csv", "summary.csv", "video.mp4"):
            first, second = ((folder / "runs" / "track" / run / name).read_bytes() for run in ("pan", "pan-2"))
            assert first == second, name

    def test_it_says_what_it_did(self, runs):
        _, (first, _) = runs
        assert "2 tracks (2 person) in 12 frames" in first.stdout
        assert "runs/track/pan" in first.stdout
        for stage in ("decode", "detect", "appearance", "motion+association", "write"):
            assert stage in first.stdout
        assert first.stderr == "", "no progress bar where nobody looks, no banner of a library"

    def test_json_is_for_machines(self, clip, here, capsys):
        with pytest.raises(SystemExit) as ended:
            main([str(clip), *FAST, "--json", "--no-video", "--classes", "person", "--classes", "5,bicycle"])
        assert ended.value.code == 0
        (result,) = json.loads(capsys.readouterr().out)
        assert (result["frames"], result["folder"]) == (FRAMES, "runs/track/pan")
        assert len((here / "runs/track/pan/tracks.jsonl").read_text().splitlines()) == FRAMES
        assert not (here / "runs/track/pan/video.mp4").exists()

    def test_quiet_says_nothing(self, clip, here, capfd):
        with pytest.raises(SystemExit) as ended:
            main(["run", str(clip), *FAST, "--quiet", "--no-video", "--project", "out", "--name", "x", "--no-reid"])
        assert ended.value.code == 0
        assert capfd.readouterr() == ("", "")
        assert (here / "out" / "x" / "tracks.txt").exists()


class TestWhatPeopleTypeWhoComeFromOtherTrackers:
    def test_it_is_the_same_run(self, clip, here, capsys):
        """A line as of Ultralytics or BoxMOT."""
        line = ["--source", str(clip), "--img_size=320", "--device", "cpu", "--conf-thres", "0.2", "--save_txt"]
        for ours in (["--output", "results/here", "--save-crop", "--hide-labels"], ["--out=again/", "--nosave"]):
            with pytest.raises(SystemExit) as ended:
                main([*line, *ours, "--quiet"])
            assert (ended.value.code, capsys.readouterr().err) == (0, "")
        record = yaml.safe_load(Path("results/here/run.yaml").read_text())
        assert record["config"]["detector"]["conf"] == 0.2
        assert {"video.mp4", "crops", "tracks.txt"} <= set(record["files"])
        assert "video.mp4" not in yaml.safe_load(Path("again/run.yaml").read_text())["files"]

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["--tracker", "botsort.yaml"], "--tracker: there is one tracker, and --config NAME chooses its settings"),
            (["--max_det=50"], "write detector: {max_detections: ...} into a YAML file and give it with --config"),
            (["--output", "out.mp4"], "--output out.mp4 is no folder; give one, in which video.mp4, tracks.txt and"),
            (["--output"], "--output is no folder; give one"),
            (["conf=0.3"], "conf=0.3 is Ultralytics' way of writing; write --conf 0.3"),
            (["--device", "mps"], "'mps', Apple's GPU, is not used by this tracker; choose one of: auto, cpu"),
        ],
        ids=str,
    )
    def test_what_there_is_no_option_for_is_one_sentence(self, clip, here, capsys, words, says):
        code, sentence = refused(capsys, clip, *words)
        assert code == 2
        assert says in sentence
        assert not Path("runs").exists()

    def test_a_file_may_have_any_name(self, clip, here, capsys):
        shutil.copy(clip, "conf=0.3")
        for words in (["conf=0.3", "--vid-stride", "0"], ["--vid-stride", "0", "--", "--source"]):
            assert "vid_stride" in refused(capsys, *words)[1]

    def test_every_name_is_free_and_stands_for_one_of_ours(self):
        ours = {word for option in get_command_options("run") for word in option}
        theirs = [conventions.SAME, conventions.SOURCE, conventions.FOLDER, conventions.DONE, conventions.ANSWERS]
        names = [name for table in theirs for name in table]
        assert len(set(names)) == len(names) and not ours & set(names)
        assert set(conventions.SAME.values()) <= ours


def get_command_options(name: str) -> list[list[str]]:
    app = typer.Typer()
    app.command()(module(name).command)
    return [parameter.opts for parameter in get_command(app).params]


class TestBadInput:
    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            ("empty.mp4", b"", "is empty"),
            ("text.mp4", b"this is no video\n" * 100, "give a video file"),
            ("random.mp4", np.random.default_rng(0).bytes(100_000), "give a video file"),
        ],
    )
    def test_files_that_are_no_video(self, here, capsys, name, content, says):
        (here / name).write_bytes(content)
        code, sentence = refused(capsys, name)
        assert code == 1
        assert name in sentence
        assert says in sentence
        assert [path.name for path in here.iterdir()] == [name], "nothing is left behind"

    def test_a_missing_file(self, here, capsys):
        (here / "video.mp4").touch()
        code, sentence = refused(capsys, "vidoe.mp4")
        assert (code, sentence) == (1, "no file vidoe.mp4; did you mean video.mp4?")
        assert refused(capsys, "nope.mp4") == (1, "no file nope.mp4; check the path"), "endings alone are no likeness"

    def test_a_mistyped_command(self, here, capsys):
        said = "{} is neither a file nor a command; did you mean `track {}`?"
        assert refused(capsys, "zone", "video.mp4") == (2, said.format("zone", "zones"))
        assert refused(capsys, "calibrat", "video.mp4") == (2, said.format("calibrat", "calibrate"))
        assert refused(capsys, "--zones", "zones.yaml", "video.mp4")[1].startswith("zones.yaml cannot be read")
        (here / "zone").write_text("a file of that name is the source")
        assert refused(capsys, "zone")[0] == 1

    def test_a_folder_without_images(self, here, capsys):
        (here / "empty").mkdir()
        code, sentence = refused(capsys, "empty")
        assert code == 1
        assert "holds no images" in sentence

    def test_a_truncated_video_keeps_what_could_be_read(self, here, clip, capsys):
        Path("cut.mp4").write_bytes(fragmented(clip)[:-6000])
        code, sentence = refused(capsys, "cut.mp4", *FAST, "--quiet")
        frames = int(sentence.split("truncated: ")[1].split()[0])
        assert code == 1
        assert 0 < frames < FRAMES
        assert f"(the tracks of {frames} frames are in runs/track/cut)" in sentence
        assert rows(Path("runs/track/cut/tracks.csv"))[-1]["frame"] == str(frames)

    def test_a_dead_camera_whose_password_stays_secret(self, here, capsys):
        code, sentence = refused(capsys, "rtsp://bob:secret@127.0.0.1:9/stream?token=geheim")
        assert code == 1
        assert "rtsp://bob:***@127.0.0.1:9/stream" in sentence
        assert "secret" not in sentence
        assert "geheim" not in sentence

    @pytest.mark.parametrize(
        ("option", "value", "says"),
        [
            ("--conf", "1.7", "--conf: detector.conf is 1.7; give a number from 0 to 1"),
            ("--conf", "nan", "--conf: detector.conf is nan; give a number from 0 to 1"),
            (
                "--imgsz",
                "0",
                "--imgsz: detector.imgsz is 0; give a whole number or a list of 2 numbers from 32 to 4096",
            ),
            (
                "--imgsz",
                "384,9999",
                "--imgsz: detector.imgsz is (384, 9999); give a whole number or a list of 2 numbers",
            ),
            ("--imgsz", "640x384", "--imgsz is '640x384'; give pixels, as 640, or as HEIGHT,WIDTH: 384,640"),
            ("--device", "cuda:7", "device 'cuda:7' is not available here; choose one of: auto, cpu"),
            ("--classes", "bus,persn", "no class 'persn'; did you mean 'person'?"),
            ("--classes", "", "--classes names nothing; name something, or leave it out"),
            ("--classes", " , ", "--classes names nothing"),
            ("--memory", "-1", "--memory is -1; give minutes, 0 or more"),
            ("--vid-stride", "0", "vid_stride is 0; it must be at least 1"),
            ("--forecast", "-1", "--forecast"),
            ("--line-width", "100000", "--line-width"),  # more than OpenCV draws
            ("--config", "crowdd", "no configuration 'crowdd'"),
            ("--nonsense", "1", "No such option: --nonsense"),
            ("--conf", "high", "--conf"),
        ],
    )
    def test_options_that_cannot_be_meant(self, here, clip, capsys, option, value, says):
        code, sentence = refused(capsys, clip, option, value)
        assert code == 2
        assert says in sentence
        assert not Path("runs").exists()

    def test_one_of_a_list_of_words(self, here, capsys):
        code, sentence = refused(capsys, "eval", "data", "--out", "out", "--detections", "magic")
        assert code == 2
        assert sentence == "Invalid value for '--detections': 'magic' is not one of 'det', 'yolo'."

    def test_an_unknown_key_in_a_yaml(self, here, clip, capsys):
        Path("mine.yaml").write_text("detector:\n  confidence: 0.3\n")
        code, sentence = refused(capsys, clip, "--config", "mine.yaml")
        assert code == 2
        assert "unknown key 'detector.confidence'; did you mean 'conf'?" in sentence

    def test_a_yaml_that_tries_to_execute_code(self, here, clip, capsys):
        Path("evil.yaml").write_text("device: !!python/object/apply:os.system ['touch hacked']\n")
        code, sentence = refused(capsys, clip, "--config", "evil.yaml")
        assert code == 2
        assert "is not plain YAML" in sentence
        assert not Path("hacked").exists()

    @pytest.mark.parametrize("option", ["--model", "--reid"])
    @pytest.mark.parametrize("kind", ["missing", "random", "code"])
    def test_weights_that_are_none(self, here, clip, capsys, option, kind):
        path = Path(f"{kind}.pt")
        if kind == "random":
            path.write_bytes(np.random.default_rng(0).bytes(1000))
        if kind == "code":
            path.write_bytes(pickle.dumps(_TouchesAFile()))
        code, sentence = refused(capsys, clip, *FAST, option, path)
        assert code == 1
        assert str(path) in sentence
        assert not Path("hacked").exists()
        assert not Path("runs").exists()

    def test_no_display(self, here, clip, capsys, monkeypatch):
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        code, sentence = refused(capsys, clip, *FAST, "--show")
        assert code == 2
        assert "leave out --show" in sentence


class _TouchesAFile:
    def __reduce__(self):
        return os.system, ("touch hacked",)


def fragmented(clip: Path) -> bytes:
    """The clip as an MP4 of fragments, which can be read up to where it is cut."""
    path = clip.with_name("fragmented.mp4")
    with av.open(str(clip)) as source, av.open(str(path), "w", options={"movflags": "frag_every_frame"}) as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    return path.read_bytes()


class TestOutputThatCannotBeWritten:
    def test_a_file_in_the_way(self, here, clip, capsys):
        Path("runs").write_text("")
        code, sentence = refused(capsys, clip, *FAST)
        assert code == 1
        assert "a file stands where a folder is needed" in sentence

    def test_no_permission(self, here, clip, capsys):
        folder = here / "locked"
        folder.mkdir(mode=0o555)
        if os.access(folder, os.W_OK):  # root may write anywhere but on a read-only file system
            mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], check=False)
            if mounted.returncode:
                pytest.skip("this user may write everywhere and mount nothing")
        try:
            code, sentence = refused(capsys, clip, *FAST, "--no-reid", "--project", folder / "runs")
        finally:
            subprocess.run(["umount", str(folder)], check=False, stderr=subprocess.DEVNULL)
        assert code == 1
        assert sentence.startswith("cannot write ")
        assert "choose another folder with --project" in sentence

    def test_no_more_space(self, here, long_clip):
        """A limit on the size of files stands for a full disk: the system answers in the same place."""
        process = ForkedTrack(long_clip, *FAST, "--no-reid", cwd=here, largest=110_000)
        _, err = process.communicate(300)
        assert process.returncode == 1
        assert err.startswith("error: no space left to write ")
        assert err.count("\n") == 1
        left = here / "runs" / "track" / "long"
        assert whole_lines(left / "tracks.txt")
        assert whole_lines(left / "tracks.csv")
        with av.open(str(left / "video.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) >= 12


class TestWhenItIsEnded:
    @staticmethod
    def running(long_clip, here):
        """A run that has written some frames."""
        process = ForkedTrack(long_clip, *FAST, "--no-reid", "--json", cwd=here)
        left = here / "runs" / "track" / "long"
        deadline = time.monotonic() + 120
        while not (left / "tracks.txt").exists() or len(whole_lines(left / "tracks.txt")) < 40:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return process, left

    def test_ctrl_c_closes_every_file_and_exits_with_130(self, here, long_clip):
        process, left = self.running(long_clip, here)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 130
        assert "Traceback" not in err
        (result,) = json.loads(out)
        assert result["interrupted"]
        table = rows(left / "tracks.csv")
        assert int(table[-1]["frame"]) == result["frames"] < 600
        assert len(whole_lines(left / "tracks.txt")) == len(table)
        assert len(whole_lines(left / "tracks.jsonl")) == result["frames"]
        assert sum(int(row["frames"]) for row in rows(left / "summary.csv")) == len(table)
        with av.open(str(left / "video.mp4")) as container:
            assert container.streams.video[0].frames == result["frames"]

    def test_kill_leaves_whole_lines_and_a_video_that_plays(self, here, long_clip):
        process, left = self.running(long_clip, here)
        process.kill()
        process.communicate(timeout=120)
        lines = whole_lines(left / "tracks.txt")
        assert all(line.endswith(",-1,-1,-1") for line in lines)
        assert all(len(row) == 11 and row["status"] for row in rows(left / "tracks.csv"))
        last = json.loads(whole_lines(left / "tracks.jsonl")[-1])["frame"]
        assert int(lines[-1].split(",")[0]) <= last + 1, "a kill can come between two files of one frame"
        assert yaml.safe_load((left / "run.yaml").read_text())["config"]
        with av.open(str(left / "video.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) >= last - 12 - 12, "all but the last second"


class TestTheCommandItself:
    def test_help_needs_none_of_the_libraries_that_take_their_time(self):
        done = track("--help")
        assert done.returncode == 0
        assert "Example: track video.mp4" in done.stdout
        for name in commands():
            assert name == "run" or f"track {name}" in done.stdout
        loaded = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "tracker", "--help"],
            capture_output=True,
            text=True,
            check=True,
            env=ENVIRONMENT,
        ).stderr
        names = {line.rpartition("|")[2].strip() for line in loaded.splitlines()}
        assert "typer" in names
        assert not names & {"numpy", "torch", "cv2", "av", "ultralytics", "yaml"}

    @pytest.mark.parametrize("name", sorted(set(commands()) - {"run"}))
    def test_each_sub_command_has_help_with_an_example(self, name, capsys):
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0
        out = capsys.readouterr().out
        assert f"track {name}" in out
        assert "Example" in out
        assert commands()[name], "and a line for `track --help`"

    @pytest.mark.parametrize("name", [*commands(), "train motion", "train appearance", "train detector"])
    def test_help_shows_every_word_of_it(self, name, capsys, monkeypatch):
        """Brackets are markup to Rich: `pip install 'lstm-tracker[tune]'` lost its last word."""
        monkeypatch.setenv("COLUMNS", "4000")
        first, *sub = name.split()
        command = module(first).command
        if isinstance(command, typer.Typer):
            command = get_command(command)
            command = command.commands[sub[0]] if sub else command
        else:
            app = typer.Typer(add_completion=False)
            app.command()(command)
            command = get_command(app)
        with pytest.raises(SystemExit):
            main([*name.split(), "--help"])
        shown = re.sub(r"[\s│]", "", capsys.readouterr().out)
        for text in [command.help, *(parameter.help for parameter in command.params)]:
            for line in (text or "").replace("\\[", "[").splitlines():
                assert re.sub(r"\s", "", line) in shown

    def test_without_arguments_it_explains_itself(self, capsys):
        with pytest.raises(SystemExit) as ended:
            main([])
        assert ended.value.code == 0
        assert "SOURCE" in capsys.readouterr().out

    def test_it_says_which_version_it_is(self, capsys):
        with pytest.raises(SystemExit) as ended:
            main(["--version"])
        assert ended.value.code == 0
        assert capsys.readouterr().out == f"lstm-tracker {__version__}\n"

    def test_a_sub_command_wins_over_a_file_of_its_name(self, here, capsys):
        Path("info").write_text("not a video")
        with pytest.raises(SystemExit) as ended:
            main(["info", "--json"])
        assert ended.value.code == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts["versions"]["tracker"]
        assert "cpu" in facts["devices"]
        code, sentence = refused(capsys, "run", "info")
        assert code == 1
        assert "info" in sentence

    def test_a_reader_that_leaves_early_is_no_error_of_ours(self, here):
        pipe = subprocess.run(
            f"{sys.executable} -m tracker info --json | head -1",
            shell=True,
            capture_output=True,
            text=True,
            check=True,
            env=ENVIRONMENT,
        )
        assert pipe.stdout == "{\n"
        assert pipe.stderr == ""


class TestStandardOutput:
    """What cannot be printed is lost, no result is, and no traceback is shown."""

    @staticmethod
    def shell(line, here) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"], cwd=here, capture_output=True, text=True, check=False,
            env=ENVIRONMENT,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("where", "code", "said"),
        [
            ("| head -0", 1, ""),
            ("> /dev/full", 1, "error: the output cannot be written: no space left on device; make room, or send it "),
            (">&-", 0, ""),
            pytest.param(">&- 2>&-", 0, "", marks=pytest.mark.slow),
            pytest.param("2> /dev/full", 0, "", marks=pytest.mark.slow),
        ],
        ids=["nobody reads", "full", "closed", "both closed", "errors full"],
    )
    def test_the_run_is_complete_all_the_same(self, here, clip, where, code, said):
        done = self.shell(
            f"{sys.executable} -m tracker {clip} --imgsz 64 --device cpu --no-video --no-reid --json {where}", here
        )
        assert done.returncode == code
        assert done.stderr.startswith(said) and done.stderr.count("\n") == bool(said)
        assert yaml.safe_load((here / "runs/track/pan/run.yaml").read_text())["result"]["frames"] == FRAMES

    @pytest.mark.parametrize("words", ["--help", "info"])
    def test_nor_do_other_commands_show_one(self, here, words):
        done = self.shell(f"{sys.executable} -m tracker {words} > /dev/full", here)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)


class TestWhatTheSystemRefuses:
    @pytest.mark.parametrize(
        "words",
        [["LONG.mp4"], ["LONG/a.mp4"], ["CLIP", "--config", "LONG"], ["CLIP", "--model", "LONG"],
         ["CLIP", "--name", "LONG"], ["CLIP", "--project", "LONG"], ["eval", "LONG", "--out", "x"]],
        ids=" ".join,
    )  # fmt: skip
    def test_a_name_of_300_letters(self, here, clip, capsys, words):
        long = {"LONG": "n" * 300, "CLIP": str(clip)}
        given = [word.replace("LONG", long["LONG"]).replace("CLIP", long["CLIP"]) for word in words]
        code, sentence = refused(capsys, *given)
        assert code == 1
        assert "name too long" in sentence

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (
                ["VIDEO", *FAST],
                "error: cannot write runs/track/VIDEO: read-only file system; choose another folder with",
            ),
            (
                ["eval", "SEQUENCE", "--out", "/mnt/out"],
                "error: there is no temporary folder that can be written; make",
            ),
        ],
        ids=["a run's own folder", "the temporary folder"],
    )
    def test_no_folder_that_can_be_written(self, here, clip, words, sentence):
        """A container whose root, home and temporary folders are read-only; /mnt can be written."""
        script = """
            mount --make-rprivate / && mount -t tmpfs -o ro tmpfs /tmp && mount -t tmpfs -o ro tmpfs /var/tmp || exit 99
            mount -t tmpfs tmpfs /mnt || exit 99
            for place in $(awk '{print $5}' /proc/self/mountinfo | grep -vE '^/(proc|sys|dev|mnt)'); do
                mount -o remount,ro,bind "$place" 2> /dev/null
            done
            cd / && exec "$@"
        """
        other = Path("/root") if os.access("/root", os.R_OK) else here  # a place that the empty /tmp does not hide
        with tempfile.TemporaryDirectory(dir=other) as folder:
            video = Path(shutil.copy(clip, Path(folder) / "read.mp4"))
            sequence = write_sequence(Path(folder), "SEQ-01", frames=5, detections=True)
            places = {"VIDEO": str(video), "SEQUENCE": str(sequence)}
            command = ["unshare", "-m", "bash", "-c", script, "bash", sys.executable, "-m", "tracker"]
            command += [places.get(word, word) for word in words]
            environment = {key: value for key, value in ENVIRONMENT.items() if key != "TMPDIR"}
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            except FileNotFoundError:
                pytest.skip("no mount namespaces here")
        if done.returncode == 99 or "unshare" in done.stderr:
            pytest.skip("mounting needs root")
        assert done.returncode == 1
        assert done.stderr.startswith(sentence.replace("VIDEO", video.stem))
        assert done.stderr.count("\n") == 1
