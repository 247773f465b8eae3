"""Operating points: thresholds of probabilities, and their measures on other samples."""
