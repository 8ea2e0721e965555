"""What happens at a site, sent to brokers and hooks; made of what `feed.py` says."""
