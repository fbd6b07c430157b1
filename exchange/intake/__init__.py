"""Acceptance of studies from the wire into the spool."""
