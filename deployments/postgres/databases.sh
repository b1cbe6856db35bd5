#!/bin/sh
# One database each: outcomes and the loop, Prefect, MLflow.
set -eu
for name in lean_llm prefect mlflow; do
  psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres -c "CREATE DATABASE $name"
done
