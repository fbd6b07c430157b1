"""A stand-in PACS, an appliance and a partner on loopback."""
