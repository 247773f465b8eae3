"""Origins of downloads: the net, files that the user fetches by hand, and Kaggle."""
