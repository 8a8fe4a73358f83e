"""SparseJEPA: the library behind the stages, one folder per room (README, "The map")."""

import os
import sys

# Read where torch is imported. Threads that wait for one another spin first, by default for a millisecond;
# beside other work the thread that they wait for has no core in that time (docs/performance.md).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")

if sys.argv[:1] == ["-m"]:  # Python looks for the module of `python -m`: before any import that takes long
    from pipeline import exits

    exits.handle_signals()
