"""SparseJEPA: the library behind the stages, one folder per room (README, "The map")."""

import sys

if sys.argv[:1] == ["-m"]:  # Python looks for the module of `python -m`: before any import that takes long
    from pipeline import exits

    exits.handle_signals()
