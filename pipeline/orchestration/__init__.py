"""Runs and sweeps around the graph: commands -> prefect -> sweeps -> processes and presets."""
