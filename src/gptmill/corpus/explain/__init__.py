"""What happened to a document: every stage's decision on it, with the figures behind."""
