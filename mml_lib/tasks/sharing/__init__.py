"""Sharing: several tasks on the images of one data set, and images that tasks share unawares."""
