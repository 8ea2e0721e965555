"""What a person corrects of a finished run, kept apart from its results, and a folder of results made of both."""
