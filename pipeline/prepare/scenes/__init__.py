"""Generated scenes, drawn from independent factors."""
