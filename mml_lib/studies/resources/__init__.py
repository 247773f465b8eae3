"""Resources of steps: requests, measured use, forecast."""
