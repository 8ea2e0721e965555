"""`python -m tracker` is the `track` command."""

from tracker.cli import main

main()
