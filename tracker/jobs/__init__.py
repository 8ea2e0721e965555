"""What a command does with the tracker: a run, sequences, a replay, a search for settings."""
