"""Where objects come from."""
