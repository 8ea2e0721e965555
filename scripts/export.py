"""Write the networks for another engine: `python scripts/export.py --out DIR` is `track export`."""

import sys

from tracker.cli import main

if __name__ == "__main__":
    main(["export", *sys.argv[1:]])
