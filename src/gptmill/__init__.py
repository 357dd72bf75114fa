"""gptmill: raw text to an evaluated, registered GPT, reproducibly."""

__version__ = "0.1.0"
