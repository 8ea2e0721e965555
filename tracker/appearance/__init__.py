"""Appearance embeddings: crops to 512-d features, what their similarity means, the gallery for re-identification."""
