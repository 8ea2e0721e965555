"""The pictures of a camera that are shown and kept."""
