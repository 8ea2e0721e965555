"""Commands on what a run left: explained, reported, corrected, converted."""
