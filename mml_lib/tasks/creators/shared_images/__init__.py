"""Images that several tasks share, as creators deliver them."""
