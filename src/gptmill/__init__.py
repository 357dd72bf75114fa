"""gptmill: raw text to an evaluated, registered GPT, reproducibly."""
