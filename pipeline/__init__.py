"""SparseJEPA: the library behind the stages, one folder per room (README, "The map")."""
