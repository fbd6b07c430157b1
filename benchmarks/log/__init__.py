"""The log in figures: appends with fsync, proofs, opening, fsck."""
