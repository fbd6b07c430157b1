"""site.yaml: models, source positions, validation, shipped data."""
