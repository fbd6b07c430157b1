"""Receipts as pages that a person can read, print and file: self-contained HTML, no script."""
