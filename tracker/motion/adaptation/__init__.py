"""What is learned from the stream itself while it runs."""
