"""A run as one page: what it was trained on, how it went, what it scored, what it cost, how to make it again."""
