"""Proof: an independent re-read of the encoded output."""
