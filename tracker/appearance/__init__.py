"""What objects look like: crops to 512-d features, what their similarity means, who was seen."""
