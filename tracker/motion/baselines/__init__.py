"""What the motion model is compared with."""
