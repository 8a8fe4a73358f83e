"""The report's first section: this run beside its dense twin, the same run without sparsity."""
