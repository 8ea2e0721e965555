"""Train the detector: `python scripts/train_detector.py DATA... --out DIR` is `track train detector`."""

import sys

from tracker.cli import main

if __name__ == "__main__":
    main(["train", "detector", *sys.argv[1:]])
