"""Great Expectations between the stages."""
