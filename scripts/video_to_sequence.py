"""Make a sequence in MOTChallenge's layout of a video and its tracks, to measure or calibrate appearance on.

The tracks stand in for ground truth, so make them without appearance: `track VIDEO --no-reid`, then
`python scripts/video_to_sequence.py VIDEO runs/track/NAME/tracks.txt FOLDER`.
"""

import sys
from pathlib import Path

import cv2

from tracker.datasets.mot import results
from tracker.video.source import open_source


def main(video: str, tracks: str, folder: str) -> None:
    out = Path(folder)
    rows = results(tracks)
    for part in ("img1", "gt"):
        (out / part).mkdir(parents=True, exist_ok=True)
    with open_source(video) as source:
        for frame in source:
            cv2.imwrite(str(out / "img1" / f"{frame.number:06d}.jpg"), frame.image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        height, width = frame.image.shape[:2]
        (out / "seqinfo.ini").write_text(
            f"[Sequence]\nname={out.name}\nimDir=img1\nframeRate={source.fps:g}\nseqLength={frame.number}\n"
            f"imWidth={width}\nimHeight={height}\nimExt=.jpg\n"
        )
    lines = (f"{row[0]:.0f},{row[1]:.0f},{row[2]:.2f},{row[3]:.2f},{row[4]:.2f},{row[5]:.2f},1,1,1\n" for row in rows)
    (out / "gt" / "gt.txt").write_text("".join(lines))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python scripts/video_to_sequence.py VIDEO TRACKS.txt FOLDER")
    main(*sys.argv[1:])
