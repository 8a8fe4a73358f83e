"""Speed, memory and studies, with their results: `python -m benchmarks.NAME --help`."""
