"""Data and training of the motion model."""
