"""How good tracks, forecasts and features are."""
