"""A finished run in the browser: looked at, searched and corrected; and pages that draw on a picture."""
