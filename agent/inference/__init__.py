"""Model files by digest, execution providers by firmware profile, and the one door to onnxruntime."""
