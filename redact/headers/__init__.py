"""Header de-identification by PS3.15 Table E.1-1."""
