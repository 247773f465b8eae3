"""Parts that a study names by `_target_`, read from the sources of their packages."""
