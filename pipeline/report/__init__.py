"""The report: words, tables, figures, page."""
