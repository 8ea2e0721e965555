"""Several live cameras in one process, day and night: `Site` runs them, `feed.py` is what others see of them."""
