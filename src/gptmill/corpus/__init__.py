"""Documents in: where they come from, how they are cleaned, which ones stay."""
