"""Commands of `gptmill` with more than a line or two of arguments."""
