"""Modes that use trained networks: `apply` and `export`."""
