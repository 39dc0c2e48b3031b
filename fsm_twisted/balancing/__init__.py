"""Which endpoint is picked."""
