"""Stages that remove identity from headers and pixels, and prove it; offline."""
