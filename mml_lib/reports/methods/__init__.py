"""The methods section of a paper, written from the files of a study."""
