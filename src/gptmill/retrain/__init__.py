"""Retraining as CI does it, on any machine: `gptmill retrain`."""
