"""A site in the browser and for machines that watch it: pictures, states, events, health and metrics."""
