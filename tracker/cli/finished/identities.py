"""Find who is in several videos of an archive, ask for one identity, or delete one, or a video."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tracker.errors import UsageError

if TYPE_CHECKING:
    from tracker.jobs.identities.archive import IdentityArchive


def command(
    gallery: Annotated[
        str, typer.Argument(metavar="DIR", help="What `track --gallery` wrote to: a folder, or s3://...")
    ],
    identity: Annotated[
        int | None, typer.Option(metavar="N", help="Print where this one was, and find nothing anew.", min=1)
    ] = None,
    forget_video: Annotated[
        list[str] | None, typer.Option(metavar="VIDEO", help="Delete what is known of a video; repeatable.")
    ] = None,
    forget_identity: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Delete what is known of an identity, by its number now; repeatable.", min=1),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No summary.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary, or the rows, as JSON.")] = False,
) -> None:
    """Find who is in several videos of an archive, ask for one identity, or delete one, or a video.

    Reads what `track --gallery DIR` and `track batch --gallery DIR` left of each
    video, and writes DIR/identities.csv: identity, video, id, name, first_s,
    last_s, similarity, confidence, source. Both commands do so at their end;
    this one does it again. The numbers of identities are new each time.

    Example: track identities gallery
    """
    from tracker.jobs.batch.storage import gallery_at

    archive = gallery_at(gallery)
    if identity is not None:
        rows = archive.rows(identity)
        if as_json:
            print(json.dumps(rows))
            return
        for row in rows:
            print(f"{row['video']}: {row['name']} {row['id']}, {row['first_s']} to {row['last_s']} s"
                  + (f", confidence {row['confidence']}" if row["confidence"] else ""))  # fmt: skip
        return
    numbers = dict.fromkeys(forget_identity or ())
    for number in numbers:
        archive.rows(number)
    videos = {archive.known(video)[0]: video for video in forget_video or ()}  # before anything is deleted
    gone = [("identity", str(number), archive.forget_identity(number)) for number in numbers]
    gone += [("video", video, archive.forget_video(source)) for source, video in videos.items()]
    for kind, what, tracks in gone:
        if not quiet:
            print(f"deleted {tracks} tracks of {kind} {what}", file=sys.stderr)
    if not gone and archive.empty:
        raise UsageError(f"{archive.place} has no video; add some with track SOURCE --gallery {archive.place}")
    found_in(archive, quiet, as_json)


def found_in(archive: IdentityArchive, quiet: bool, as_json: bool = False) -> None:
    """Find the identities of a gallery, and say how many."""
    from dataclasses import asdict

    from tracker.jobs.identities.archive import TABLE
    from tracker.jobs.identities.finding import find_identities

    found = find_identities(archive)
    if as_json:
        print(json.dumps(asdict(found)))
    elif not quiet:
        more = f", {found.left_out} left out" if found.left_out else ""
        print(
            f"{found.identities} identities of {found.tracks} tracks in {found.videos} videos, {found.shared} of them "
            f"in more than one{more}\n  {archive.place}/{TABLE}"
        )
