"""The `track` command: one module per sub-command."""
