"""Coalesce changes, compile, publish."""
