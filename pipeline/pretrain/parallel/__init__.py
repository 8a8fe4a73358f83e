"""Several processes of one run, or several runs in one process."""
