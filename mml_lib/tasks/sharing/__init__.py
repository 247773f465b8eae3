"""Sharing: several tasks on the images of one data set."""
