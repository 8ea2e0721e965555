"""What happens in the picture: where detections count, and where they do not."""
