"""Downstream tasks: examples, inputs, the classifier, its training."""
