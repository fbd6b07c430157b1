"""Delivery of frozen bytes: folder, C-STORE, STOW-RS."""
