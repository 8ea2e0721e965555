"""Label pictures of a video by its still background: python label_by_background.py VIDEO FOLDER NAME PICTURES SECONDS

Leaves PICTURES pictures of the first SECONDS and their labels, of one class called NAME, as `track train detector`
takes them. Look at them with any annotation tool that reads YOLO: what touches shares a box, what stood still has none.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from own_detector import detect, still_background

from tracker import open_source


def main(video: str, folder: str, name: str, pictures: str = "50", seconds: str = "inf") -> None:
    out, background = Path(folder), still_background(video)
    for part in ("images", "labels"):
        (out / part).mkdir(parents=True)
    (out / "data.yaml").write_text(f"names: [{name}]\n")
    with open_source(video) as source:
        numbers = [frame.number for frame in source if frame.time_s < float(seconds)]
    wanted = {numbers[round(place)] for place in np.linspace(0, len(numbers) - 1, int(pictures))}
    objects = 0
    with open_source(video) as source:
        for frame in source:
            if frame.number in wanted:
                height, width = frame.image.shape[:2]
                boxes = detect(frame.image, background).xyxy.clip(0, [width, height] * 2) / ([width, height] * 2)
                sides = boxes[:, 2:] - boxes[:, :2]
                rows = np.hstack([np.zeros((len(boxes), 1)), boxes[:, :2] + sides / 2, sides])
                cv2.imwrite(str(out / "images" / f"{frame.number:06d}.png"), frame.image)
                np.savetxt(out / "labels" / f"{frame.number:06d}.txt", rows, fmt=("%d", *["%.6f"] * 4))
                objects += len(rows)
    print(f"{len(wanted)} pictures with {objects} boxes in {out}")


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
