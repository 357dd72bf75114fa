"""The commands of `gptmill`: their arguments, and a call each."""
