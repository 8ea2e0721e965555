"""What a camera leaves on disk, by the hour, and for how long."""
