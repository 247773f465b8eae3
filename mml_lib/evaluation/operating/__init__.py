"""Operating points: thresholds of probabilities, and what they are worth on other samples."""
