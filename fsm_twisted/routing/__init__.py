"""Which route a request takes: host, path, rewrite, server name."""
