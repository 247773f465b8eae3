"""Helpers of creators: files, archives, tables, images, masks, and the check of what a creator in a plugin returns."""
