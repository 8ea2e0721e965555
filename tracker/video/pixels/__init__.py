"""From what a decoder gives to pictures."""
