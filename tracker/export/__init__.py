"""The networks for other engines: written, checked against PyTorch, calibrated."""
