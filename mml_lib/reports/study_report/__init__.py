"""Report of a study: one self-contained HTML page, and its tables as files."""
