"""Stages that check quality and protocol; offline."""
