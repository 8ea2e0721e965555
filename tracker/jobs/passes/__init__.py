"""The ways of a recording's frames through a run: tracked, and once more where its tables are post-processed."""
