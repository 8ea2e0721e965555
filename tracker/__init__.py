"""Tracks of everything a video shows."""
