"""Audit: near duplicates, wrong labels, outliers, bad images and shortcuts of a task, and its intrinsic dimension."""
