"""The transparency log: canonical leaves under a signed root, its one writer, proofs, its check."""
