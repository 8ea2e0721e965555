"""A run as one HTML file: for those who want to know what happened."""
