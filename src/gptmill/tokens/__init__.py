"""Text to token ids, and the packed shards that training reads."""
