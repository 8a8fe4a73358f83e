"""What people read: figures, tables, the page."""
