"""Firmware profile to model sessions; the one door to onnxruntime."""
