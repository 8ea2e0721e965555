"""Track and score MOTChallenge sequences: `python scripts/evaluate.py ROOT... --out DIR` is `track eval`."""

import sys

from tracker.cli import main

if __name__ == "__main__":
    main(["eval", *sys.argv[1:]])
