# MLflow's server, without gptmill: it needs none of it.
FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir "mlflow[auth]==3.17.2" "psycopg[binary]>=3.2,<4" "boto3>=1.43,<2"
RUN useradd --create-home mlflow
USER mlflow
WORKDIR /home/mlflow
COPY server bucket.py users.py backup restore ./
EXPOSE 5000
CMD ["bash", "server"]
