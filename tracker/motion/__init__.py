"""Motion models with one batched-state protocol: see `predictor.py`."""
