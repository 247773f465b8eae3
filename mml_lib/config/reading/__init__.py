"""Reading of study files: text, scalars, layers, and the place of each key."""
