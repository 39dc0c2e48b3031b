"""Inventory to snapshot and findings: total, deterministic, pure."""
