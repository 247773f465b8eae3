"""Report of a study: one HTML page that needs nothing else, and its tables as files."""
