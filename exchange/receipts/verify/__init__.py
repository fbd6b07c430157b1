"""The verifier: cryptography and the standard library, nothing else."""
