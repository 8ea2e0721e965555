"""The networks of the motion model in PyTorch: trained, compared, exported."""
