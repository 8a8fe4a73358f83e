"""The section on what groups stand for."""
