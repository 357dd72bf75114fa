"""What a model makes of a prompt, as a page: predictions, attention, layers, embeddings."""
