"""Measuring rigs: CPU per request beside other proxies, memory, and misbehaving endpoints."""
