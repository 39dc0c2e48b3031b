"""The reactor and the sockets on it."""
