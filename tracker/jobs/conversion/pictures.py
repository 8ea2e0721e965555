"""The frames of a video as images, for tools and trainings that read no videos."""

from __future__ import annotations

from pathlib import Path

from tracker.datasets.annotations import Annotations
from tracker.datasets.formats.rows import stem
from tracker.system.files import writing
from tracker.system.images import jpeg
from tracker.video.image_folder import folder_images
from tracker.video.source import open_source

_QUALITY = 95  # of JPEG


def leave_pictures(video: Path, annotations: Annotations, folder: Path, place: str, numbered_anew: bool) -> None:
    """Write each frame that was looked at into a JPEG; of a folder of JPEGs, links to them.

    Args:
        place: of an image in `folder`, with `{stem}` and `{number}`.
        numbered_anew: the frames that were looked at count 1, 2, 3, whatever was left out between them.

    Raises:
        SourceError: the video cannot be read. OutputError: an image cannot be written.
    """
    step, last = annotations.step, annotations.frame_count
    name = stem(annotations.name)

    def path(number: int) -> Path:
        return folder / place.format(stem=name, number=(number - 1) // step + 1 if numbered_anew else number)

    path(1).parent.mkdir(parents=True, exist_ok=True)
    images = folder_images(video) if video.is_dir() else []
    if images and all(image.suffix.lower() in (".jpg", ".jpeg") for image in images):
        for number, image in list(enumerate(images, 1))[:last:step]:
            with writing(path(number)):
                path(number).symlink_to(image.resolve())
        return
    with open_source(video, step) as source:
        for frame in source:
            if frame.number > last:
                return
            with writing(path(frame.number)):
                path(frame.number).write_bytes(jpeg(frame.image, _QUALITY))
