"""Exporting: trained networks as files that other software runs."""
