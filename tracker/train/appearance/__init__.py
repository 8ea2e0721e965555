"""Data and training of the appearance network."""
