"""Keyed UIDs, date shifts, pseudonyms, harvested identifiers."""
