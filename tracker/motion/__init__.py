"""Motion models behind one protocol with the state of all tracks in a batch: see `predictor.py`."""
