"""What stages tell each other through reports/: one file here for each metrics file, with its tables."""
