"""Weights that others publish: where they come from, and how they come, when the user asks for it."""
