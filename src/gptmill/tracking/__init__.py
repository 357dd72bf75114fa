"""MLflow: runs by fingerprint, the registry, the served model."""
