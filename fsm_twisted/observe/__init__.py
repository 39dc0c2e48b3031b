"""What happened, counted and written down: cells on the hot path, the rest off it."""
