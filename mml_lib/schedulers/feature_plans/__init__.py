"""Plans about features that several modes share."""
