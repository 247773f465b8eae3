"""Parts of the creator `csv`."""
