"""What a model is worth: bits per byte, references, samples."""
