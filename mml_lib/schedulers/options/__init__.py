"""Options of modes that train networks; each is a section of its own."""
