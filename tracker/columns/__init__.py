"""What a row of detections may carry beside its box, and how it is checked."""
