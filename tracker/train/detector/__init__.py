"""Data and training of the detector."""
