"""Origins of downloads: URLs, files that the user downloads by hand, and Kaggle."""
