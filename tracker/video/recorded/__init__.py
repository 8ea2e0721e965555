"""Frames of a recorded source from anywhere in it."""
