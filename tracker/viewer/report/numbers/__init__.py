"""What a report says of a run, as numbers."""
