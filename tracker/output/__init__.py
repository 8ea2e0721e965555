"""What a run leaves and shows: tables, video, crops, window."""
