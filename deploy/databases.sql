-- Runs and models are in the database mlflow, which PostgreSQL's container makes; users have their own.
CREATE DATABASE mlflow_auth;
