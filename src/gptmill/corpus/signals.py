SIGNALS = {"n_words": "words"}
