"""Receipts, logs and studies by a second implementation, mutants of them, and all verifiers side by side.

Nothing here uses the product's writers: what both make alike is format, not a shared mistake.
"""
