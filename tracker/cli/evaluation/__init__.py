"""Commands that measure how good tracks, forecasts and embeddings are."""
