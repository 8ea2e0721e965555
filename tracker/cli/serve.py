"""Track many live cameras day and night, with pages, events and state that outlives a restart."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from tracker.cli._options import DetectEvery, GroundOption, Hidden, TokenFile, ZonesOption, hidden, overridden
from tracker.cli.run import prepare
from tracker.config import Config


def command(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...|SITE.yaml",
            help="Cameras (URLs, numbers, files), or a site.yaml, where each may have zones, a calibration, classes.",
        ),
    ],
    zones: ZonesOption = None,
    camera: GroundOption = None,
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Pages, health and metrics there.", show_default="none")
    ] = None,
    token_file: TokenFile = None,
    publish: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Send what happens there (mqtt, mqtts, https, redis); repeat for more."),
    ] = None,
    project: Annotated[
        Path | None, typer.Option(help="Folder of results and state.", show_default="runs/serve")
    ] = None,
    keep: Annotated[
        float | None, typer.Option(metavar="DAYS", help="Remove older results.", min=0, show_default="keep all")
    ] = None,
    keep_bytes: Annotated[
        int | None,
        typer.Option(metavar="N", help="Remove the oldest results beyond so much.", min=0, show_default="no bound"),
    ] = None,
    config: Annotated[str | None, typer.Option(help="Preset or YAML file with the tracker's settings.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.", show_default="auto")] = None,
    detect_every: DetectEvery = None,
    blur: Hidden = None,
) -> None:
    """Track many live cameras day and night.

    Leaves in runs/serve a folder for each camera with one for each hour (UTC):
    tracks.csv, events.jsonl and, where there are zones, counts.csv, complete at any
    moment; and state/, from which ids go on after a restart. A camera that is away
    is waited for. SIGTERM ends it with all files closed and exit code 0. Options
    override what SITE.yaml says.

    --zones and --camera are of one picture; SITE.yaml names those of several.

    Example: track serve rtsp://10.0.0.7/live rtsp://10.0.0.8/live --keep 7
    """
    from tracker.site.config import SiteConfig, with_options
    from tracker.site.supervisor import Site

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    site = SiteConfig.load(sources[0]) if _is_site(sources) else SiteConfig.of_sources(sources)
    if zones or camera:
        site = site.with_places(zones, camera)
    tracker = overridden(
        Config.load(config) if config else site.tracker,
        {"--device": ("device", device), "--detect-every": ("detector", "every", detect_every)},
    )
    options: dict[str, Any] = {"tracker": tracker, "project": project, "keep_days": keep, "keep_bytes": keep_bytes}
    if blur:
        cameras = {name: replace(camera, blur=hidden(blur)) for name, camera in site.cameras.items()}
        options["cameras"] = cameras
    if publish:
        options["publish"] = with_options(site.publish, {"to": tuple(publish)})
    pages = {"bind": http, "token_file": None if token_file is None else str(token_file)}
    options["http"] = with_options(site.http, pages)
    site = with_options(site, options)
    try:
        prepare(site.tracker, quiet=False)
        Site(site).run()
    except KeyboardInterrupt:  # while the networks were loaded: there is nothing to close
        pass
    # All is closed and saved. What is left would cost seconds on a busy machine: libraries that tidy their memory up,
    # and connections that wait for a silent camera.
    logging.shutdown()
    os._exit(0)


def _is_site(sources: list[str]) -> bool:
    return len(sources) == 1 and Path(sources[0]).suffix.lower() in (".yaml", ".yml")
