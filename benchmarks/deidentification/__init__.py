"""De-identification against its peers, in one run on one generated set: what is left, and how fast."""
