"""The engine of sweeps; it does not know Prefect."""
