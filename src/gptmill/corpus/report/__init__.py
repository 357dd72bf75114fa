"""The corpus as a report: what came in, what left at which stage and why, what stays."""
