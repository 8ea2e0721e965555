"""Pages on which one draws on a picture of a video: lines and zones, and points of the ground."""
