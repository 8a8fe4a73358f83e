"""Runs and sweeps on the Prefect dashboard."""
