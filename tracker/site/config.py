"""What a `site.yaml` says: the cameras of a site, what they share, and where their results go.

    gallery: shared                                  # one memory of all cameras, or `own` for each (default)
    config: edge                                     # preset or file with the tracker's settings
    http: {bind: 127.0.0.1:8080, token_file: token}  # page, health and metrics
    publish: [mqtt://host/topic]
    cameras:
      door: {source: rtsp://user:password@10.0.0.7/live, zones: door.yaml, camera: door-camera.yaml, record: true}
      yard: {source: rtsp://10.0.0.8/live, detect_every: auto}

Paths stand beside the file. An unknown key is an error that names the known ones, and no message shows a password.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from tracker.analytics.ground.plane import GroundPlane
from tracker.analytics.zones import Zones
from tracker.config import Config, Settings, setting
from tracker.errors import ConfigError, UsageError
from tracker.jobs.result_folder import names_apart
from tracker.system.files import read_yaml
from tracker.video.url import is_url, lacks_scheme, shown

OWN, SHARED = "own", "shared"
RESERVED = ("state",)  # a folder of DIR that is no camera's
_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
Kind = TypeVar("Kind", bound=Settings)
_PLACES: Mapping[str, type[Zones] | type[GroundPlane]] = {"zones": Zones, "camera": GroundPlane}
_EXAMPLE = "write cameras: {NAME: {source: rtsp://HOST/PATH}}"


@dataclass(frozen=True)
class HttpConfig(Settings, section="http"):
    """The pages."""

    bind: str = setting("", "HOST:PORT to listen at; empty: no pages")
    token_file: str = setting("", "file whose first line is asked for; needed where others than this machine can ask")
    down_after_s: float = setting(60.0, "a camera without a picture for longer is reported as down", 1, 1e6)


@dataclass(frozen=True)
class PublishConfig(Settings, section="publish"):
    """Where what happens is sent."""

    to: tuple[str, ...] = field(default=(), repr=False)
    every_s: float = setting(1.0, "seconds between two updates of an object; 0: none", 0, 86400)
    embeddings: bool = setting(False, "also send what an object looks like, as numbers")
    spool_mb: int = setting(256, "megabytes of messages that wait for a destination that is away", 1, 1 << 20)
    timeout_s: float = setting(30.0, "seconds to acknowledge; who takes longer gets the same again", 1, 600)
    secret_file: str = setting("", "file whose first line signs what is posted to webhooks")
    ca_file: str = setting("", "PEM file of the authority that signed the destinations' certificates")


@dataclass(frozen=True)
class SiteCamera(Settings, section="camera"):
    """One camera.

    `source` is what `open_source` takes, or of one's own: an iterable of images (H, W, 3) uint8 BGR that come as a
    camera's do, or of pairs (image, Unix seconds), all of which are tracked at those times; or a function that returns
    one and is called for each connection.
    """

    source: object = field(default=None, repr=False)
    zones: str = setting("", "zones.yaml of what is ignored and counted in its picture")
    camera: str = setting("", "camera.yaml of the ground in its picture, for metres")
    classes: tuple[str, ...] = setting((), "names or numbers to keep; empty: those of the tracker's settings")
    detect_every: str = setting("", "as --detect-every; empty: as the tracker's settings say")
    blur: tuple[str, ...] = setting((), "classes whose objects no picture shows, or heads: those of people")
    record: bool = setting(False, "also keep its pictures, as video-MMSS.mp4 in the folder of the hour")

    @property
    def shown(self) -> str:
        """The source without its secrets."""
        if isinstance(self.source, str | Path | int):
            return shown(str(self.source))
        return f"{type(self.source).__name__} of one's own"


@dataclass(frozen=True)
class SiteConfig(Settings):
    """A site.

    Attributes:
        cameras: name -> camera, at least one.
        tracker: settings of all trackers and networks.
        project: folder of the results.
    """

    cameras: Mapping[str, SiteCamera] = field(default_factory=dict)
    tracker: Config = field(default_factory=Config)
    project: Path = Path("runs/serve")
    gallery: str = setting(OWN, "one memory of all cameras, or one each", choices=(OWN, SHARED))
    keep_days: float = setting(0.0, "results older than this are removed; 0: none", 0, 36500)
    keep_bytes: int = setting(0, "the oldest results are removed beyond this; 0: none", 0, 1 << 60)
    ends_after_s: float = setting(3.0, "an object that is not seen for so long has left", 0, 3600)
    publish: PublishConfig = field(default_factory=PublishConfig)
    http: HttpConfig = field(default_factory=HttpConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.cameras:
            raise ConfigError(f"there is no camera; {_EXAMPLE}")
        for name in self.cameras:
            if not isinstance(name, str) or not _NAME.fullmatch(name) or name in RESERVED:
                raise ConfigError(
                    f"{name!r} cannot be a camera's name, which is a folder's, too; use letters, digits, '.', '_' and "
                    f"'-', and not {' or '.join(RESERVED)}"
                )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a `site.yaml`.

        Raises:
            ConfigError: it cannot be read, is not safe YAML, has an unknown key, a value out of bounds, a camera
                without a source.
        """
        path = Path(path)
        content = read_yaml(path, _EXAMPLE)
        if not content:
            raise ConfigError(f"{path} says nothing; {_EXAMPLE}")
        try:
            return cls._parsed(content, path.parent)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    @classmethod
    def of_sources(cls, sources: Sequence[Any]) -> Self:
        """Cameras by their sources alone: named by their hosts, or `camera1`, `camera2`, ... where those tell nothing.

        Raises:
            UsageError: none, or two that are the same.
        """
        names = names_apart(sources)
        cameras: dict[str, SiteCamera] = {}
        for number, (source, name) in enumerate(zip(sources, names, strict=True), 1):
            plain = name or _plain_name(source)
            if not _NAME.fullmatch(plain) or plain in (*RESERVED, *cameras):
                plain = f"camera{number}"
            if any(source == camera.source for camera in cameras.values()):
                raise UsageError(f"{shown(str(source))} is there twice; give each camera once")
            cameras[plain] = SiteCamera(source=source)
        return cls(cameras=cameras)

    def with_places(self, zones: str | Path | None, camera: str | Path | None) -> Self:
        """The same with the files of what is counted and of the ground, of its only camera, on top.

        Raises:
            UsageError: there are more cameras.
            ConfigError: one of the files is no such file.
        """
        if len(self.cameras) > 1:
            raise UsageError(
                f"--zones and --camera are of one picture, and there are {len(self.cameras)} cameras; name those of "
                "each in a site.yaml: cameras: {NAME: {source: URL, zones: FILE, camera: FILE}}"
            )
        (name,) = self.cameras
        given = {"zones": zones, "camera": camera}
        places: dict[str, Any] = {key: str(file) for key, file in given.items() if file is not None}
        _check(places)
        return replace(self, cameras={name: replace(self.cameras[name], **places)})

    @classmethod
    def _parsed(cls, content: Any, folder: Path) -> Self:
        content = dict(_known(content, "the file", _keys(cls, {"tracker": "config"})))
        cameras = content.pop("cameras", None)
        if not isinstance(cameras, Mapping) or not cameras:
            raise ConfigError(f"there is no camera; {_EXAMPLE}")
        values: dict[str, Any] = {
            "cameras": {str(name): _camera(value, str(name), folder) for name, value in cameras.items()},
            "http": _http(content.pop("http", {}), folder),
            "publish": _publish(content.pop("publish", ()), folder),
        }
        if "config" in content:
            values["tracker"] = _tracker(content.pop("config"), folder)
        if "project" in content:
            project = content.pop("project")
            if not isinstance(project, str) or not project:
                raise ConfigError(f"project is {project!r}; give a folder")
            values["project"] = folder / project
        return cls(**values, **content)


def with_options(settings: Kind, given: Mapping[str, Any]) -> Kind:
    """The same settings with the values that are not None on top."""
    return cast(
        Kind, replace(cast(Any, settings), **{name: value for name, value in given.items() if value is not None})
    )


def _tracker(value: Any, folder: Path) -> Config:
    """What `config` says: a preset or a file, or the settings themselves."""
    if isinstance(value, Mapping):
        return Config().override(value, "config")
    beside = folder / str(value)
    return Config.load(beside if beside.is_file() else str(value))


def _camera(value: Any, name: str, folder: Path) -> SiteCamera:
    place = f"cameras.{name}"
    value = dict(_known({"source": value} if isinstance(value, str | int) else value, place, _keys(SiteCamera)))
    if value.get("source") is None or not isinstance(value["source"], str | int):
        raise ConfigError(f"{place} has no source; write source: rtsp://HOST/PATH, a camera's number or a file")
    source = value["source"]
    if isinstance(source, str) and not (is_url(source) or lacks_scheme(source)) and (folder / source).exists():
        value["source"] = str(folder / source)
    value |= {key: str(folder / str(value[key])) for key in _PLACES if value.get(key)}
    _check(value)
    if isinstance(value.get("detect_every"), int):
        value["detect_every"] = str(value["detect_every"])
    try:
        camera = SiteCamera(**value)
        if camera.detect_every:
            Config().override({"detector": {"every": camera.detect_every}})
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None
    return camera


def _check(files: Mapping[str, Any]) -> None:
    """Load the places that are named, so that a mistake in them is told before anything runs."""
    for key, kind in _PLACES.items():
        if files.get(key):
            kind.load(files[key])


def _http(value: Any, folder: Path) -> HttpConfig:
    value = dict(_known({"bind": value} if isinstance(value, str) else value, "http", _keys(HttpConfig)))
    if value.get("token_file"):
        value["token_file"] = str(folder / str(value["token_file"]))
    return HttpConfig(**value)


def _publish(value: Any, folder: Path) -> PublishConfig:
    value = [value] if isinstance(value, str) else value
    value = dict(_known(value if isinstance(value, Mapping) else {"to": value}, "publish", _keys(PublishConfig)))
    to = value.get("to")
    if not isinstance(to, list | tuple) or not all(isinstance(url, str) for url in to):
        raise ConfigError("publish names no destination; write publish: [mqtt://HOST/TOPIC]")
    for key in ("secret_file", "ca_file"):
        if value.get(key):
            value[key] = str(folder / str(value[key]))
    return PublishConfig(**{**value, "to": tuple(to)})


def _keys(kind: type[Kind], renamed: Mapping[str, str] | None = None) -> list[str]:
    return [(renamed or {}).get(about.name, about.name) for about in fields(cast(Any, kind))]


def _known(value: Any, place: str, keys: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{place} is {shown(str(value))!r}; give keys and values, of: {', '.join(keys)}")
    for key in value:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"{place} has the unknown key {key!r}; {hint}known: {', '.join(keys)}")
    return value


def _plain_name(source: Any) -> str:
    if isinstance(source, int) or (isinstance(source, str) and source.isdecimal()):
        return f"camera{source}"
    text = str(source)
    if is_url(text):
        from tracker.video.url import host

        return host(text)
    return Path(text).stem
