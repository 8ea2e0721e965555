"""Many videos: which they are, what became of each, and the processes that share the work."""
