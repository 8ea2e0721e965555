"""Frames in, `Detections` out."""
