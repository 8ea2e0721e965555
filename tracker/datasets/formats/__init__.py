"""Annotation tools' formats, a file each, from and to `Annotations`."""
