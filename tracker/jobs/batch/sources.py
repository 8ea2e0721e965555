"""Which videos a batch is of: files, folders of any depth, globs, URLs, and text files that list such."""

from __future__ import annotations

import codecs
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tracker.errors import DataWarning, UsageError
from tracker.jobs.batch.storage import is_stored, objects
from tracker.jobs.outcome import full_name
from tracker.jobs.result_folder import UNFINISHED, written_files
from tracker.system.images import is_image, natural_order
from tracker.video.source import missing, separate
from tracker.video.url import is_url, redacted, scheme

VIDEOS = frozenset(
    f".{ending}"
    for ending in (
        *("mp4", "m4v", "mov", "mkv", "webm", "avi", "divx", "wmv", "asf", "flv", "f4v", "mpg", "mpeg", "mpe", "mpv"),
        *("m1v", "m2v", "vob", "ts", "mts", "m2ts", "m2t", "tod", "mod", "dav", "264", "h264", "265", "h265", "hevc"),
        *("mjpeg", "mjpg", "3gp", "3g2", "ogv", "ogm", "rm", "rmvb", "mxf", "dv", "y4m", "gif"),
    )
)
_LIST = ".txt"
_LIVE = ("rtsp", "rtsps", "rtmp", "udp", "tcp")
_DEEPEST = 4  # levels below a run's folder: unfinished/offline/crops/1.jpg
_LONGEST = 200  # bytes of a folder's name, of 255 that systems allow


def listed(given: Sequence[str]) -> dict[str, Any]:
    """Every source by the name that the manifest has for it: an absolute path, or a URL without its secrets.

    Args:
        given: files; folders, of which every video and every folder of images inside is a source; globs; URLs; text
            files with one of these a line, where blank lines and those that begin with # say nothing.

    Returns:
        Name -> what `open_source` takes, in the order given, natural order within folders and globs; each source once,
        and none that a run left as its result.

    Raises:
        UsageError: a live source; two URLs that differ only in what is not shown of them; a folder, a glob or a list
            in which there is nothing; a file that is not there, unless a list names it, which may be of last week.
    """
    for word in given:
        if not (_is_live(word) or is_url(word) or re.search("[*?[]", word) or os.path.lexists(word)):
            raise UsageError(missing(Path(word)))
    sources: dict[str, Any] = {}
    for source in _separate(list(_texts(given))):
        if source == []:
            continue
        name = full_name(source)
        if is_url(name) and sources.get(name, source) != source:
            raise UsageError(
                f"{name} is given twice, with other secrets or queries, which are not written down and so tell nothing "
                "apart; run each into a --project of its own"
            )
        if isinstance(source, list):
            sources[name] = [path.absolute() for path in source]
        else:
            sources[name] = source if is_url(name) else name
    if not sources:
        raise UsageError("what is given are results of earlier runs, and no videos; give the videos themselves")
    return sources


def _texts(given: Sequence[str]) -> Iterator[str]:
    """Sources as words, those of text files among them."""
    for word in given:
        if Path(word).suffix.lower() != _LIST or is_url(word):
            yield word
            continue
        path = Path(word)
        try:
            lines = os.fsdecode(path.read_bytes().removeprefix(codecs.BOM_UTF8)).splitlines()
        except OSError as error:
            raise UsageError(f"{path}, a list of sources, cannot be read ({error.strerror}); check the path") from error
        found = [text for line in lines if (text := line.strip()) and not text.startswith("#")]
        if not found:
            raise UsageError(f"{path} lists no source; write one a line")
        yield from found


def _separate(words: Sequence[str]) -> Iterator[Any]:
    """Each source alone."""
    for word in words:
        if _is_live(word):
            raise UsageError(f"{redacted(word)} is live and never done; watch it with track serve")
    for source in separate(words):
        if is_stored(source):
            yield from _of_storage(str(source))
        elif isinstance(source, str) and is_url(source):
            yield source
        elif isinstance(source, str | Path) and Path(source).is_dir():
            yield from _inside(Path(source))
        elif isinstance(source, list):
            yield [path for path in source if not _is_result(path)]
        elif isinstance(source, str) and re.search("[*?[]", source) and not os.path.lexists(source):
            raise UsageError(f"no file matches {source!r}; check the pattern and the folder it is meant for")
        elif isinstance(source, str | Path) and not _is_result(Path(source)):
            yield source


def _is_live(word: str) -> bool:
    return (is_url(word) and scheme(word) in _LIVE) or bool(re.fullmatch("(/dev/video)?[0-9]+", word))


def _of_storage(url: str) -> Iterator[str]:
    """The videos that the URL of an object storage stands for."""
    found = objects(url)
    several = url.endswith("/") or found != [url]
    videos = [name for name in found if not several or Path(name).suffix.lower() in VIDEOS]
    if not videos:
        raise UsageError(f"there is no video at {redacted(url)}; check the address")
    yield from videos


def _inside(folder: Path) -> Iterator[Path]:
    """The videos and the folders of images in a folder, at any depth, also behind links; itself where it is one."""
    nothing = True
    seen: set[tuple[int, int]] = set()  # a link may lead back
    for place, within, files in os.walk(folder, onerror=_unreadable, followlinks=True):
        at = Path(place)
        identity = at.stat().st_dev, at.stat().st_ino
        if identity in seen or written_files(at):
            within.clear()
            continue
        seen.add(identity)
        within[:] = [path.name for path in _shown(at, within)]
        paths = _shown(at, files)
        found = [path for path in paths if path.suffix.lower() in VIDEOS]
        if any(map(is_image, paths)):
            found.append(at.parent if at.name == "img1" else at)
        yield from found
        nothing = nothing and not found
    if nothing:
        raise UsageError(f"{folder} holds no video and no images; give a folder of some, or the files")


def _shown(folder: Path, names: Sequence[str]) -> list[Path]:
    return sorted((folder / name for name in names if not name.startswith(".")), key=natural_order)


def _unreadable(error: OSError) -> None:
    warnings.warn(f"{error.filename} cannot be read ({error.strerror}) and was left out", DataWarning, stacklevel=2)


def _is_result(path: Path) -> bool:
    """Whether a run of ours left it, as the video with boxes and pictures of tracks are, or keeps it until it ends."""
    return any(
        path in left or folder / UNFINISHED in left.intersection(path.parents)
        for folder in path.parents[:_DEEPEST]
        if (left := written_files(folder))
    )


def folders(names: Sequence[str], taken: Sequence[str] = ()) -> dict[str, str]:
    """The folder of each source's results: called as its file, behind the folder that it is in where that is taken.

    Args:
        names: as `listed` has them, in the manifest's order: what comes later never changes what came before.
        taken: names that no folder may have.

    >>> folders(["/a/door/1.mp4", "/a/yard/1.mp4", "/b/yard/1.mp4", "https://host/clips/2.mp4?..."])
    {'/a/door/1.mp4': '1', '/a/yard/1.mp4': 'yard-1', '/b/yard/1.mp4': 'yard-1-2', 'https://host/clips/2.mp4?...': '2'}
    """
    found: dict[str, str] = {}
    used = {name.casefold() for name in taken}  # two that differ only by that are one on some systems
    for source in names:
        parent, own = _parts(source)
        name = own
        if name.casefold() in used and parent and len(os.fsencode(parent + own)) < _LONGEST:
            name = f"{parent}-{own}"
        base, count = name, 1
        while name.casefold() in used:
            count += 1
            name = f"{base}-{count}"
        used.add(name.casefold())
        found[source] = name
    return found


def _parts(source: str) -> tuple[str, str]:
    """The name of the folder a source is in, and its own, without the ending of a video."""
    path = Path(source.partition("?")[0].partition("://")[2]) if is_url(source) else Path(source)
    name = path.stem if path.suffix.lower() in VIDEOS or is_image(path) else path.name
    return re.sub(r"[/\\:]", "-", path.parent.name), re.sub(r"[/\\:]", "-", name) or "video"
