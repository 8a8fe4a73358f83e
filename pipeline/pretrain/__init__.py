"""Pretraining: the step, the loop around it, resume, and what is exported."""
