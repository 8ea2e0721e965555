"""What the parts of a run hold between two frames, as data that can be written down and taken over."""
