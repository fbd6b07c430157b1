"""Which route takes a study, under which profile."""
