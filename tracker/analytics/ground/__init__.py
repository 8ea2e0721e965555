"""Where on the ground tracks are, in metres, and how fast they go."""
