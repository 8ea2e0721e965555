"""Data association: which detection continues which track."""
