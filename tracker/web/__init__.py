"""What every page of ours needs, whatever it shows: who may ask, where it listens, how long a connection may take."""
