"""Train the appearance network: `python scripts/train_appearance.py DATA... --out DIR` is `track train appearance`."""

import sys

from tracker.cli import main

if __name__ == "__main__":
    main(["train", "appearance", *sys.argv[1:]])
