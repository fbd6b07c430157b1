"""Signing keys and domain keys, behind one interface."""
