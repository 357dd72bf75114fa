"""Encoder–decoders on parallel text: pairs, training, translation, scores, and the page that compares them."""
