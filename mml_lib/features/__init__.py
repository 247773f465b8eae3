"""Features: embeddings of the samples of a task by a frozen backbone, as files."""
