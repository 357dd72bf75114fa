"""Has the text that a model meets moved away from the text that it was made from?"""
