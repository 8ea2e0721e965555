"""Video of what a camera showed, as it came: a file for each hour and each start, beside the tables of the hour."""

from __future__ import annotations

import time

from tracker.output.video_writer import VideoWriter
from tracker.site.results.records import Records, hour_of
from tracker.video.reader import DEFAULT_RATE
from tracker.video.source import Frame


class Recording:
    """`HOUR/video-MMSS.mp4`, named after the minute and second of its first frame, playable at any moment.

    Args:
        records: whose folders it is in.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._hour = ""
        self._writer: VideoWriter | None = None

    def write(self, frame: Frame) -> None:
        """Add a frame.

        Raises:
            OutputError: it cannot be written; the next frame begins another file.
        """
        if hour_of(frame.time_s) != self._hour:
            self.close()
        if self._writer is None:
            name = time.strftime("video-%M%S.mp4", time.gmtime(frame.time_s))
            self._writer = VideoWriter(self._records.hour(frame.time_s) / name, DEFAULT_RATE)
            self._hour = hour_of(frame.time_s)
        try:
            self._writer.write(frame)
        except BaseException:
            self._writer = None
            raise

    def close(self) -> None:
        """Complete the file."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
