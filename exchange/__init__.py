"""Wires, files, keys and receipts: everything that moves or attests a study."""
