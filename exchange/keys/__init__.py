"""Signing keys and pseudonym-domain keys: one interface, file backend."""
