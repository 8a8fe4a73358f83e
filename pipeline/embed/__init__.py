"""Frozen features of every image, beside their baselines."""
