"""What monitors, probes and interpretability share."""
