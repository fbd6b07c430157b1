"""Self-checks with a named result and a fix for each."""
