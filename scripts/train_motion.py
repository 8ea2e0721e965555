"""Train the motion model: `python scripts/train_motion.py DATA... --out runs/motion` is `track train motion ...`."""

import sys

from tracker.cli import main

main(["train", "motion", *sys.argv[1:]])
