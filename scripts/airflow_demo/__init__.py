"""What airflow-demo runs in a real Airflow."""
