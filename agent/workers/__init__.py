"""Supervised worker processes for CPU work."""
