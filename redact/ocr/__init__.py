"""Text in frames: detection, recognition, gates."""
