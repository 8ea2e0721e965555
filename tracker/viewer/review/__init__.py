"""A finished run in the browser, and what a person corrects in it."""
