"""A long video in parts, each tracked by whoever has time, and joined to what one run of the whole leaves."""
