"""`track convert`: a run, or an annotation tool's file, as another tool takes it."""
