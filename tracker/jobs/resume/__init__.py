"""Runs that were interrupted go on: what they were, where they are, and when that is saved."""
