"""A registered model behind MLflow's scoring server, with limits and, on request, a log."""
