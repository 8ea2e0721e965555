"""Datasets on disk, read and written in one place each."""
