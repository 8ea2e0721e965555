"""A tiny MOTChallenge-style dataset: people on straight and turning paths, for the tests of training and evaluation."""

import numpy as np


def write_sequence(root, name, frames=60, tracks=6, seed=0, fps=25, separator=",", first_id=1, detections=False):
    """A sequence folder with ground truth (and detections); returns the folder."""
    rng = np.random.default_rng(seed)
    folder = root / name
    (folder / "gt").mkdir(parents=True)
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={name}\nimDir=img1\nframeRate={fps}\nseqLength={frames}\nimWidth=1280\nimHeight=720\nimExt=.jpg\n"
    )
    rows, found = [], []
    for track in range(tracks):
        height = rng.uniform(60, 180)
        place, heading, speed = rng.uniform([200, 200], [1000, 500]), rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.5)
        turn = rng.normal(0, 0.6)
        for frame in range(1, frames + 1):
            angle = heading + turn * frame / fps
            place = place + height * speed / fps * np.array([np.cos(angle), 0.3 * np.sin(angle)])
            box = np.array([place[0] - 0.2 * height, place[1] - height / 2, 0.4 * height, height])
            rows.append([frame, first_id + track, *box.round(2), 1, 1, 1.0])
            if rng.random() < 0.9:
                found.append([frame, -1, *(box + rng.normal(0, 0.03 * height, 4)).round(2), 0.8, -1, -1, -1])
    rows.sort(key=lambda row: (row[0], row[1]))
    (folder / "gt" / "gt.txt").write_text("".join(separator.join(f"{v:g}" for v in row) + "\n" for row in rows))
    if detections:
        (folder / "det").mkdir()
        (folder / "det" / "det.txt").write_text("".join(",".join(f"{v:g}" for v in row) + "\n" for row in found))
    return folder
