"""Lightning around the models: data, loop, exact resume."""
