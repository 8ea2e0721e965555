"""The folder of a run's results: which one, and that nothing in it is lost that no run wrote.

`run.yaml` lists the files of its run under `files`; only those are ever removed or written over, and of `crops/` only
pictures that bear our mark.
"""

from __future__ import annotations

import glob
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl, urlsplit

import yaml

from tracker import provenance
from tracker.errors import OutputError, ResumeError
from tracker.output.crops import CROPS, is_crop
from tracker.smoothing.first_pass import KEPT
from tracker.system.files import locked, replace_text, writing
from tracker.video.url import is_url, redacted

TABLES = ("tracks.txt", "tracks.csv", "summary.csv")
JSON, VIDEO, RECORD = "tracks.jsonl", "video.mp4", "run.yaml"
EVENTS, COUNTS = "events.jsonl", "counts.csv"
PARQUET = "tracks.parquet"
FILES = (*TABLES, PARQUET, JSON, EVENTS, COUNTS, VIDEO, RECORD)
UNFINISHED = "unfinished"  # folder of what going on with a run needs; gone once it has ended
_PARTS = r"video-[0-9]{4,}\.mp4"
_OURS = re.compile("|".join([*map(re.escape, FILES), CROPS, UNFINISHED, _PARTS]))
LOCK, STATE, OFFLINE = "lock", "state", "offline"  # in there: who uses it, where the run is, files that are not done
_OURS_UNFINISHED = re.compile(
    "|".join([LOCK, STATE, rf"\.{STATE}\.part", *KEPT, r"video\.mp4", _PARTS, r"crops-[0-9]+/[0-9]+\.jpg"])
    + rf"|{OFFLINE}/(crops/)?[^/]+"
)
_OTHER_FOLDER = "choose another folder with --name or --project"
_LONGEST = 100  # letters of a folder's name that is made from a URL
_TELLING = {"camera", "cam", "ch", "channel", "stream", "subtype", "profile"}  # of a URL's query; others may be secret


LEAVES = ("video", "json", "parquet", "crops", "labels", "trails", "forecast_s", "line_width")
"""What of an `Output` shows in the files of a run."""


@dataclass(frozen=True)
class Output:
    """What a run leaves, and where.

    Attributes:
        project: folder of all runs.
        name: folder of this run in it; empty: the source's name. Where it exists, `-2`, `-3`, ... is appended.
        exist_ok: write into an existing folder instead, in place of what its `run.yaml` says that an earlier run wrote.
        video: leave `video.mp4` with the tracks drawn (and `video-0002.mp4`, ... where it is long).
        json: leave `tracks.jsonl` too.
        parquet: leave `tracks.parquet` too, the rows of `tracks.csv` with types and units.
        show: show the frames in a window; Q or Escape there ends the run.
        forecast_s: draw where each object will be so many seconds ahead; 0: not.
        labels: draw id, class and score at each box.
        trails: draw the way each object came.
        line_width: of what is drawn, in pixels; 0: by the frame's size.
        crops: leave `crops/ID.jpg`, the best picture of every track.
        events: leave `events.jsonl` and `counts.csv`; `run` does so where zones have lines or zones.
        offline: at the end of a source, replace its tables by what offline post-processing made of them
            (`tracker.smoothing.offline`), and draw the video from that.
        blur: classes whose objects are pixelated in all pictures that are left or shown; "heads": those of people.
        resume: go on with a run of the same source that was interrupted, where there is one.
    """

    project: Path = Path("runs/track")
    name: str = ""
    exist_ok: bool = False
    video: bool = True
    json: bool = False
    parquet: bool = False
    show: bool = False
    forecast_s: float = 0.0
    labels: bool = True
    trails: bool = True
    line_width: int = 0
    offline: bool = False
    crops: bool = False
    blur: tuple[str, ...] = ()
    events: bool = False
    resume: bool = False

    @property
    def files(self) -> list[str]:
        """Names of what it leaves in a folder."""
        more = {PARQUET: self.parquet, JSON: self.json, EVENTS: self.events, COUNTS: self.events}
        wanted = more | {VIDEO: self.video, CROPS: self.crops}
        return [*TABLES, *(name for name, there in wanted.items() if there), RECORD]


@dataclass
class ResultFolders:
    """The folders of one run's sources, no two the same.

    Args:
        output: where they are to be.
        sources: all sources of the run, none of which may be replaced.
    """

    output: Output
    sources: Sequence[Any]
    _given: set[Path] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def make(self, name: str) -> Path:
        """A folder for the results of the source called `name`: new, or emptied of an earlier run's results.

        Raises:
            OutputError: it cannot be made; it holds a source, or files that no run wrote, in the place of a result.
            ResumeError: the earlier run is not over.
        """
        path = self._path(name)
        with self._lock, writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            count = 1
            while True:
                numbered = path if count == 1 else path.with_name(f"{path.name}-{count}")
                count += 1
                if numbered in self._given or (numbered.exists() and not self.output.exist_ok):
                    continue
                try:
                    numbered.mkdir(exist_ok=self.output.exist_ok)
                except FileExistsError:
                    if self.output.exist_ok:
                        raise
                    continue
                if self.output.exist_ok:
                    self._empty(numbered)
                self._given.add(numbered)
                return numbered

    def earlier(self, name: str) -> list[Path]:
        """The folders that earlier runs of a source called `name` have left, the newest first; with `exist_ok` the one
        that would be written into.
        """
        path, found = self._path(name), list[Path]()
        if self.output.exist_ok:
            return [path] if (path / RECORD).is_file() and path not in self._given else []
        while (numbered := path if not found else path.with_name(f"{path.name}-{len(found) + 1}")).is_dir():
            found.append(numbered)
        return [folder for folder in reversed(found) if (folder / RECORD).is_file() and folder not in self._given]

    def take(self, folder: Path, emptied: bool) -> None:
        """Use the folder of an earlier run, of which nothing stays where it is to be `emptied`; errors as of `make`."""
        with self._lock, writing(folder):
            if emptied:
                self._empty(folder)
            self._given.add(folder)

    def _path(self, name: str) -> Path:
        """The first folder for a source called `name`."""
        path = self.output.project / (self.output.name or name)
        return path / name if self.output.name and len(self.sources) > 1 else path

    def _empty(self, folder: Path) -> None:
        """Remove what an earlier run wrote, unless something is in the way, or that run is not over."""
        paths, unfinished = self.replaceable(folder), folder / UNFINISHED in written_files(folder)
        lock = kept(folder) if unfinished else None
        with nullcontext() if lock is None else lock:
            for path in paths:
                path.unlink(missing_ok=True)
            if unfinished:
                clear(folder / UNFINISHED)

    def replaceable(self, folder: Path) -> set[Path]:
        """What an earlier run wrote into a folder that is there.

        Raises:
            OutputError: something is in the way of the results: a source, or a file that no run wrote.
        """
        planned = {folder / name for name in self.output.files}
        written = written_files(folder)
        if self.output.video:
            planned |= set(folder.glob("video-[0-9]*.mp4"))
        if self.output.crops:
            planned |= {path for path in (folder / CROPS).glob("*.jpg") if path.stem.isdecimal()}
        there = [path for path in planned | written if path.is_symlink() or path.exists()]
        originals = {identity for source in self.sources for identity in map(_identity, original_files(source))}
        for path in [folder, *(folder / name for name in FILES), *sorted(there)]:
            if _identity(path) in originals:
                raise OutputError(f"{path} is a source, and results would be written in its place; {_OTHER_FOLDER}")
        for path in sorted(there):
            if path not in written and path not in (folder / CROPS, folder / UNFINISHED):
                raise OutputError(
                    f"{path} is there, and {folder / RECORD} does not say that a run wrote it; move it, or "
                    + _OTHER_FOLDER
                )
        return written - {folder / CROPS, folder / UNFINISHED}


def written_files(folder: Path) -> set[Path]:
    """What is in a folder and was written by the run that its `run.yaml` tells of; nothing where there is none."""
    try:
        record = yaml.safe_load((folder / RECORD).read_text(encoding="utf-8"))
        names = [name for name in record["files"] if isinstance(name, str) and _OURS.fullmatch(name)]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return set()
    written = {folder / name for name in names if (folder / name).is_symlink() or (folder / name).exists()}
    if CROPS in names:
        written |= {path for path in (folder / CROPS).glob("*.jpg") if path.stem.isdecimal() and is_crop(path)}
    return written


def kept(folder: Path) -> IO[str] | None:
    """Keep the run in a folder for this process, until what is returned is closed or the process ends.

    Raises:
        ResumeError: another process has it. OutputError: as of `locked`.
    """
    try:
        return locked(folder / UNFINISHED / LOCK)
    except BlockingIOError:
        raise ResumeError(f"the run in {folder} goes on in another process; wait for it, or end it") from None


def clear(unfinished: Path, but: str = "") -> None:
    """Remove the folder of what going on with a run needs, but for what no run has written there and the file `but`."""
    for path in sorted(unfinished.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):
                path.rmdir()
        elif path.name != but and _OURS_UNFINISHED.fullmatch(path.relative_to(unfinished).as_posix()):
            path.unlink(missing_ok=True)
    with suppress(OSError):  # there is something of somebody else's in it
        unfinished.rmdir()


def original_files(source: Any) -> Iterator[Path]:
    """The files a source is read from, and their folder where that is the source."""
    if isinstance(source, int) or (isinstance(source, str) and is_url(source)):
        return
    if not isinstance(source, str | Path):
        yield from map(Path, source)
        return
    path = Path(source)
    if not path.exists():
        yield from map(Path, glob.glob(str(source), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute one
        return
    yield path
    for folder in (path, path / "img1"):
        if folder.is_dir():
            yield from folder.iterdir()


def _identity(path: Path) -> tuple[int, int] | Path:
    """What two names of one file have in common, links or not."""
    try:
        status = path.stat()
    except OSError:
        return path.absolute()
    return status.st_dev, status.st_ino


def names_apart(sources: Sequence[Any]) -> list[str]:
    """A folder's name for each URL that tells it from the others; empty for what is no URL, or the only one of a host.

    Ports where they differ, else paths, else both and what a query says of the channel. No name holds a password.

    >>> names_apart(["rtsp://a:b@10.0.0.7/one", "rtsp://a:b@10.0.0.7/two", "rtsp://10.0.0.8/one", "x.mp4"])
    ['10.0.0.7-one', '10.0.0.7-two', '', '']
    """
    urls = {number: _Address.of(text) for number, text in enumerate(map(str, sources)) if is_url(text)}
    names = [""] * len(sources)
    alone = Counter(address.host for address in urls.values())
    for number, address in urls.items():
        others = [other for other in urls.values() if other.host == address.host]
        if alone[address.host] == 1:
            continue
        for parts in (["port"], ["path"], ["port", "path"], ["port", "path", "channel"]):
            if len({tuple(getattr(other, part) for part in parts) for other in others}) == len(others):
                break
        text = "-".join([address.host, *(getattr(address, part) for part in parts)])
        names[number] = re.sub("[^A-Za-z0-9._]+", "-", text)[:_LONGEST].strip("-.")
    return names


@dataclass(frozen=True)
class _Address:
    """Where a URL points to, without secrets."""

    host: str
    port: str
    path: str
    channel: str

    @classmethod
    def of(cls, url: str) -> _Address:
        from tracker.video.url import host

        shown = redacted(url)
        rest = shown.partition("://")[2].rpartition("@")[2]
        authority, _, path = rest.partition("/")
        port = re.search(r":([0-9]+)$", authority)
        asked = parse_qsl(urlsplit(url).query)
        channel = "-".join(f"{key}{value}" for key, value in asked if key.lower() in _TELLING)
        return cls(host(url), port[1] if port else "", path.removesuffix("?...").replace("***", ""), channel)


@dataclass
class Record:
    """`run.yaml`: what would repeat the run, the files it writes, each named before it is there, and its result."""

    path: Path
    conditions: dict[str, Any]
    files: list[str]

    def add(self, file: str) -> None:
        """Note a further file."""
        if file not in self.files:
            self.files.append(file)
            self.save()

    def save(self, result: dict[str, Any] | None = None) -> None:
        """Write it, with the run's result where there is one."""
        record = {**self.conditions, "files": self.files} | ({} if result is None else {"result": result})
        replace_text(self.path, provenance.yaml_text(record))
