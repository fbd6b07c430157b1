"""Signed receipts: statement, envelope, bundle."""
