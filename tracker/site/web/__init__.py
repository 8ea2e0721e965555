"""The pages of a site: live pictures, health, metrics; made of what `feed.py` says."""
