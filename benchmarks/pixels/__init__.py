"""Text in pixels: what is found and removed, what it costs, against peers, on pictures drawn by a seed."""
