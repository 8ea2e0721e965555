"""A recording's frames once more, with the tracks that offline post-processing has made of those of the first pass."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import repeat
from pathlib import Path

from tracker.config import Config
from tracker.jobs.passes.online import Ending
from tracker.jobs.result_files import ResultFiles
from tracker.output.blur import Blur, looking_ahead
from tracker.smoothing.first_pass import FirstPass
from tracker.smoothing.offline import post_processed
from tracker.video.source import Source


def second_pass(
    first: FirstPass,
    config: Config,
    blur: Blur | None,
    opened: AbstractContextManager[Source],
    written: Callable[[Source, Path], ResultFiles],
    scratch: Path,
    ending: Ending,
) -> ResultFiles | None:
    """Decode again the frames that were tracked, and write them with what post-processing makes of the tracks.

    Args:
        first: of these frames. config: of post-processing. blur: what is hidden.
        opened: the source. written: what makes the files of a source in a folder. scratch: that folder.
        ending: whether the run is to end.

    Returns:
        The files, complete; None where the run was to end.

    Raises:
        SourceError, OutputError: it cannot be read, they cannot be written.
    """
    table = post_processed(first.recorder.table(), config)
    with opened as source, written(source, scratch) as files:
        hidden = repeat((None, ())) if blur is None else looking_ahead(blur, first.found(table))
        numbers = range(len(first.recorder.shown))  # the rest was not tracked
        for number, frame, hide in zip(numbers, source, hidden):  # noqa: B905
            files.take(frame, first.tracks(table, number), *hide)
            if files.window_closed:
                ending.stop(signal.SIGINT)
            if ending.stopped:
                return None
    return None if ending.stopped else files
