"""Searches of a study: what is known of them while planning."""
