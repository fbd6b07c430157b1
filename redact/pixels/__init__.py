"""Frames: decode, find text, fill, encode; everything else bit-identical."""
