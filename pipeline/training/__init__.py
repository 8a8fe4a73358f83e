"""Pretraining: the step, the loop, schedules, checkpoints, precision."""
